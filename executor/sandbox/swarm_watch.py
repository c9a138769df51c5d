"""Waiting for the end of one job on a swarm, and reading how it ended."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from executor.errors import Transient
from executor.sandbox.base import SandboxCommand, SandboxResult
from executor.sandbox.swarm_manager import SwarmManager, Task
from executor.sandbox.swarm_payload import JobEnd, read_log

_BEFORE = frozenset({"new", "pending", "assigned", "accepted", "preparing", "ready", "starting"})
_ENDED = frozenset({"complete", "failed"})
_NEVER = frozenset({"rejected", "orphaned", "shutdown", "remove"})
_KILLED = 137
_LOOKS_AT_NODES = 5  # a swarm takes some 15 s to call a node down, and every look costs it something


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: between two looks, until a job starts, beyond its wall time, for its log, for its removal."""

    look: float = 1.0
    start: float = 120.0
    finish: float = 60.0
    log: float = 10.0
    removal: float = 15.0


async def job_end(manager: SwarmManager, job: str, command: SandboxCommand, patience: Patience) -> JobEnd:
    """Wait for the end of a job and return what its runner told.

    Raises Transient when it does not start, when its node is lost, or when it ended without a word.
    """
    task = await _finished(manager, job, command, patience)
    deadline = time.monotonic() + patience.log
    while (end := read_log(await manager.log(job), command)) is None:
        if time.monotonic() > deadline:
            return _untold(job, task, command)
        await asyncio.sleep(patience.look)
    return end


async def _finished(manager: SwarmManager, job: str, command: SandboxCommand, patience: Patience) -> Task:
    started = time.monotonic()
    longest = patience.start + command.limits.wall_seconds + patience.finish
    looks = 0
    while True:
        looks += 1
        task = await manager.task(job)
        if task is not None and task.state in _ENDED:
            return task
        waited = time.monotonic() - started
        if task is None or task.state in _BEFORE:
            if waited > patience.start:
                raise _unstarted(task, waited)
        elif task.state in _NEVER or waited > longest or await _is_lost(manager, task, looks):
            raise _lost(task)
        await asyncio.sleep(patience.look)


async def _is_lost(manager: SwarmManager, task: Task, looks: int) -> bool:
    """True when the node is seen to be down: its task is shown as running for as long as it stays so."""
    if looks % _LOOKS_AT_NODES:
        return False
    states = {node.name: node.is_down for node in await manager.nodes()}
    return states.get(task.node, True)


def _untold(job: str, task: Task, command: SandboxCommand) -> JobEnd:
    """The runner was killed before it could tell: by want of memory, since nobody else may."""
    if task.state == "complete" or "137" not in task.error:
        said = task.error or task.state
        raise Transient(f"The job {job} ended on {task.node} without a word: {said}.")
    mib = command.limits.memory_bytes >> 20
    note = f"Killed: it needed more than {mib} MiB of memory."
    return JobEnd(SandboxResult(_KILLED, "", 0, False, 0.0, note), {})


def _unstarted(task: Task | None, waited: float) -> Transient:
    said = (task.error or task.state) if task else "it made no task"
    return Transient(
        f"The swarm has not started a test run within {waited:.0f} s: {said}",
        hint="See `docker node ls` and `docker service ls` on the manager.",
    )


def _lost(task: Task) -> Transient:
    if "no such image" in task.error.lower():
        return Transient(f"The image of a test run has gone from {task.node}; it is brought there again.")
    return Transient(
        f"A test run on the node {task.node} was lost ({task.state}): {task.error or 'no word from there'}",
        hint="It is run again by itself.",
    )
