"""How an update of a service stands, judged from what the swarm tells; nothing is asked here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from executor.adapters.docker_swarm_state import Service, Task
from executor.targets.swarm_names import RELEASE

_KILLED = 137
_SETTLED = frozenset({"completed", "rollback_completed"})
GIVEN_UP = frozenset({"paused", "rollback_paused"})
"""States of an update that the engine has left half done."""
_NOT_ITS_FAULT = re.compile(
    r"no such image|no suitable node|no space left|cannot allocate|could not find network|failed to allocate"
    r"|address already in use|port is already allocated|error creating vxlan|context deadline",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`standing`: the release runs everywhere; `refused`: it will not; `going`: not yet decided.

    `failed` are the tasks that say why, newest first.
    """

    kind: Literal["standing", "going", "refused"]
    words: str
    failed: tuple[Task, ...] = ()

    @property
    def blames_release(self) -> bool:
        """False if all that went wrong is the swarm's own: no image, no room, no network, no port."""
        return not self.failed or any(not _NOT_ITS_FAULT.search(task.problem) for task in self.failed)


def judged(
    service: Service | None, tasks: Sequence[Task], release_id: str, known: frozenset[str] = frozenset()
) -> Verdict:
    """Judge whether `release_id` is what the service runs; `known` are tasks that had failed before."""
    mine = [task for task in tasks if task.labels.get(RELEASE) == release_id]
    failed = tuple(sorted((task for task in mine if task.failed), key=lambda task: task.at, reverse=True))
    if service is None:
        return Verdict("refused", "its service is gone", failed)
    now = service.labels.get(RELEASE, "unknown")
    if now != release_id:
        return Verdict("refused", _reason(failed, service), failed)
    if service.update in GIVEN_UP:
        return Verdict("refused", f"{_reason(failed, service)}, and the swarm stopped the update", failed)
    # Nothing is rolled back that had no release before it: its tasks are tried again for ever.
    first = service.before is None and not service.update
    if first and any(task.id not in known for task in failed):
        return Verdict("refused", _reason(failed, service), failed)
    others = [task for task in tasks if task.runs and task not in mine]
    running, wanted = sum(task.runs for task in mine), service.replicas or 0
    if running == wanted and not others and (first or service.update in _SETTLED):
        return Verdict("standing", f"all {wanted} tasks run it")
    waiting = tuple(task for task in mine if task.wanted == "running" and not task.runs and task.problem)
    return Verdict("going", f"{running} of {wanted} tasks run it{_because(waiting)}", waiting)


def ending(task: Task) -> str:
    """Why a task ended, in words."""
    if "unhealthy" in task.problem or (task.state == "complete" and not task.problem):
        return "its health check did not pass, and it was ended"
    if task.exit_code == _KILLED:
        return "it was killed, as happens when it needs more memory than it may use"
    if task.problem and "non-zero exit" not in task.problem:
        return task.problem
    return f"it ended with exit code {task.exit_code}"


def _reason(failed: Sequence[Task], service: Service) -> str:
    if failed:
        return ending(failed[0])
    return service.told or "the update did not hold"


def _because(waiting: Sequence[Task]) -> str:
    return f"; one waits: {waiting[0].problem}" if waiting else ""
