"""The swarm as its manager shows it: nodes, one job's task, its log, and what is left of other jobs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from executor.errors import NotFound, Permanent
from executor.sandbox.docker_engine import engine_error
from executor.sandbox.remote import Remote
from executor.sandbox.swarm_argv import LABEL
from executor.sandbox.swarm_runner import KEY

_NOT_THERE = 127
_LOG_BYTES = 48 << 20
_WITH_KEY = f'read -r {KEY}; export {KEY}; exec docker "$@"'
_KINDS = ("service", "config", "network")  # in the order in which they let go of each other


@dataclass(frozen=True, slots=True)
class Node:
    """One node: whether docker would place a task there, and whether it is lost."""

    id: str
    name: str
    takes_tasks: bool
    is_down: bool


@dataclass(frozen=True, slots=True)
class Task:
    """How far a job is: docker's word for its state in lower case, its error, its node."""

    state: str
    error: str
    node: str


class SwarmManager:
    """Typed questions and orders to one manager.

    Each raises Transient while it does not answer, and Permanent when it is no manager or refuses.
    """

    def __init__(self, machine: Remote) -> None:
        self._machine = machine

    async def nodes(self) -> list[Node]:
        """All nodes of the swarm."""
        lines = await self.ask("node", "ls", "--format", "{{json .}}")
        seen = [json.loads(line) for line in lines.splitlines()]
        return [
            Node(
                id=one["ID"],
                name=one["Hostname"],
                takes_tasks=one["Status"] == "Ready" and one["Availability"] == "Active",
                is_down=one["Status"] == "Down",
            )
            for one in seen
        ]

    async def task(self, job: str) -> Task | None:
        """The one task of a job; None before the swarm has made it."""
        lines = await self.ask("service", "ps", "--no-trunc", "--format", "{{json .}}", job)
        for line in lines.splitlines():
            seen = json.loads(line)
            state = str(seen["CurrentState"]).split(" ")[0].lower()
            return Task(state, str(seen["Error"]), str(seen["Node"]))
        return None

    async def log(self, job: str) -> bytes:
        """What the job has printed on its stdout."""
        words = ["docker", "service", "logs", "--raw", "--no-task-ids", job]
        done = await self._machine.run(words, timeout=120.0, limit=_LOG_BYTES)
        return done.stdout

    async def start(self, words: Sequence[str], key: bytes) -> None:
        """Create a service whose environment holds the key, which stands in no command line."""
        await self._run(["sh", "-c", _WITH_KEY, "fpai", *words], key.hex().encode() + b"\n")

    async def ask(self, *words: str, stdin: bytes = b"") -> str:
        """Run one docker command and return what it printed; raises NotFound for what is not there."""
        return await self._run(["docker", *words], stdin)

    async def left(self, label: str) -> list[tuple[str, str]]:
        """Kind and name of everything that carries the label, in the order in which it can be removed."""
        found: list[tuple[str, str]] = []
        for kind in _KINDS:
            lines = await self.ask(kind, "ls", "--filter", f"label={LABEL}={label}", "--format", "{{.Name}}")
            found += [(kind, line) for line in lines.split()]
        return found

    async def remove(self, kind: str, name: str) -> None:
        """Remove one thing; what is gone already is no error."""
        try:
            await self.ask(kind, "rm", name)
        except NotFound:
            return

    async def _run(self, words: Sequence[str], stdin: bytes) -> str:
        done = await self._machine.run(words, stdin=stdin)
        if done.code == _NOT_THERE:
            raise Permanent(f"docker is not installed on {self._machine.name}.", hint="Install it there.")
        if done.code != 0:
            raise self._error(done.stderr.decode("utf-8", "replace"))
        return done.stdout.decode("utf-8", "replace")

    def _error(self, words: str) -> Exception:
        lower = words.lower()
        if "not a swarm manager" in lower or "not part of a swarm" in lower:
            return Permanent(
                f"{self._machine.name} is no manager of a swarm, so tests cannot run as jobs there.",
                hint='Name a manager first in [deploy] nodes, or set [sandbox] tests_on = "here".',
            )
        if "not found" in lower or "no such" in lower:
            return NotFound(f"{self._machine.name}: {words.strip()[-400:]}")
        return engine_error(f"on {self._machine.name}: {words}")
