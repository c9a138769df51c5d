"""Orchestrator 2.0 (droplet-10): it assigns tasks, which their droplet polls for and moves along.

Its ways (ecosystem.md 3.2): the first registration answers 500 and is stored all the same; heartbeats are
asked for each 60 s and missed after 90; lists leave out the payload of a task, and it is JSON in a string;
answers may lie in an envelope; a task moves only assigned → in_progress → completed or failed (else 400), by
its assignee alone (else 403).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from executor.adapters.http import JsonService, Reply
from executor.adapters.orchestrator import Self
from executor.errors import Permanent, Transient

ASSIGNED, IN_PROGRESS, COMPLETED, FAILED = "assigned", "in_progress", "completed", "failed"
_MOST_TASKS = 100


@dataclass(frozen=True, slots=True)
class Task:
    """One task as the orchestrator shows it; lists leave out description and payload."""

    id: int
    task_type: str
    status: str
    title: str = ""
    description: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)


class NumberedOrchestrator:
    """Every method raises Transient while it does not answer, Permanent for an answer that nobody can use."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        own: Self,
        *,
        token: str | None = None,
        timeout: float = 10.0,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._service = JsonService(
            session, base_url, name="Orchestrator", setting="[orchestrator] url", token=token, timeout=timeout
        )
        self._own = own
        self._registered = False

    async def heartbeat(self, status: str, metrics: Mapping[str, Any]) -> None:
        """Say `active`, `inactive` or `error`; registers first, and again where it is not known any more."""
        if not self._registered:
            await self._register()
        path, body = (
            f"/droplets/{self._own.droplet_id}/heartbeat",
            {"status": status, "metrics": dict(metrics)},
        )
        reply = await self._call("POST", path, body, accept=(200, 404))
        if reply.status == 404:
            await self._register()
            await self._call("POST", path, body, accept=(200,))

    async def tasks(self) -> list[Task]:
        """The tasks that are assigned to us and not ended, oldest first, without their payloads."""
        found: dict[int, Task] = {}
        for status in (
            IN_PROGRESS,
            ASSIGNED,
        ):
            query = f"assigned_droplet_id={self._own.droplet_id}&status={status}&limit={_MOST_TASKS}"
            listed = _inside((await self._call("GET", f"/tasks?{query}")).body).get("tasks")
            if not isinstance(listed, list):
                raise _unreadable("its list of tasks")
            found |= {task.id: task for task in map(_task, listed) if task.status == status}
        return sorted(found.values(), key=lambda task: task.id)

    async def task(self, task_id: int) -> Task | None:
        """One task with its payload, None when there is none."""
        reply = await self._call("GET", f"/tasks/{task_id}", accept=(200, 404))
        return None if reply.status == 404 else _task(_inside(reply.body).get("task"))

    async def start(self, task_id: int) -> bool:
        """Move the task to in_progress, unless a try whose answer was lost has done so.

        False when it is ours no more.
        """
        return await self._move(task_id, {"status": IN_PROGRESS})

    async def finish(
        self, task_id: int, status: str, result: Mapping[str, Any], error_message: str = ""
    ) -> bool:
        """Move the task to completed or failed by the way it demands, from wherever it stands.

        Doing it again changes nothing. False when the task is ours no more or has ended in another way.
        """
        task = await self.task(task_id)
        if task is None or (task.status == ASSIGNED and not await self.start(task_id)):
            return False
        if task.status == status:
            return True
        body = {
            "status": status,
            "result": dict(result),
            **({"error_message": error_message} if error_message else {}),
        }
        return await self._move(task_id, body)

    async def _move(self, task_id: int, body: Mapping[str, Any]) -> bool:
        reply = await self._call("PATCH", f"/tasks/{task_id}", body, accept=(200, 400, 403, 404))
        if reply.status == 400:
            task = await self.task(task_id)
            return task is not None and task.status == body["status"]
        return reply.status == 200

    async def _register(self) -> None:
        own = self._own
        body = {
            "droplet_id": own.droplet_id,
            "name": own.name,
            "endpoint": own.endpoint,
            "capabilities": list(own.capabilities),
        }
        try:
            await self._call("POST", "/droplets/register", body, accept=(200, 201))
        except Transient:
            # A new droplet is stored and answered with 500; the second answer tells.
            await self._call("POST", "/droplets/register", body, accept=(200, 201))
        self._registered = True

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, accept: tuple[int, ...] = (200,)
    ) -> Reply:
        refused = tuple(status for status in (401, 403) if status not in accept)
        reply = await self._service.call(method, path, body, accept=(*accept, *refused))
        if reply.status in refused:
            asked = f"{method} {path.partition('?')[0]}"
            raise Permanent(
                f"The Orchestrator answers {reply.status} to {asked}; it gives no work.",
                hint=f"ORCHESTRATOR_TOKEN has to be a token of droplet {self._own.droplet_id} with write.",
            )
        return reply


def _inside(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an answer says, out of its envelope if it has one."""
    payload = body.get("payload")
    return payload if "udc_version" in body and isinstance(payload, dict) else body


def _task(record: Any) -> Task:
    try:
        return Task(
            id=int(record["id"]),
            task_type=str(record["task_type"]),
            status=str(record["status"]),
            title=str(record.get("title") or ""),
            description=str(record.get("description") or ""),
            payload=_payload(record.get("payload")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable("a task") from error


def _payload(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _unreadable(what: str) -> Permanent:
    return Permanent(
        f"The Orchestrator shows {what} in a form that cannot be read; no tasks are taken.",
        hint="Is [orchestrator] url that of droplet-10, and flavour right?",
    )
