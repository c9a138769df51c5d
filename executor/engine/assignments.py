"""Takes the build tasks that droplet-10 assigns, and tells it how they go, in the order that it demands."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import structlog

from executor.domain.build import FINISHED, Build, State
from executor.domain.orders import FoundOrder, find_order
from executor.engine.reports import TASK, Reports
from executor.engine.requests import SubmitReply, SubmitRequest
from executor.errors import Conflict, ExecutorError, Invalid, Permanent
from executor.store.orders import Ended, Order
from executor.store.outbox import Outgoing
from executor.store.store import Store

log = structlog.get_logger(__name__)

_ASSIGNED = "assigned"
_BUILD = "build"
_MOST_ODD = 100


class Task(Protocol):
    """A task as the orchestrator shows it."""

    @property
    def id(self) -> int:
        """Its number."""
        ...

    @property
    def task_type(self) -> str:
        """verify, build, deploy, …"""
        ...

    @property
    def status(self) -> str:
        """assigned or in_progress, else it has ended."""
        ...

    @property
    def title(self) -> str:
        """Its name."""
        ...

    @property
    def description(self) -> str:
        """More words; empty in lists."""
        ...

    @property
    def payload(self) -> Mapping[str, Any]:
        """What is wanted; empty in lists."""
        ...


class Assigns(Protocol):
    """An orchestrator that assigns tasks. Every method raises Transient while it does not answer."""

    @property
    def base_url(self) -> str:
        """Its address: the numbers of tasks are its own."""
        ...

    async def tasks(self) -> list[Any]:
        """The tasks that are assigned to us and not ended."""
        ...

    async def task(self, task_id: int) -> Any | None:
        """One task with its payload."""
        ...

    async def start(self, task_id: int) -> bool:
        """Move it to in_progress; False when it is ours no more."""
        ...

    async def finish(
        self, task_id: int, status: str, result: Mapping[str, Any], error_message: str = ""
    ) -> bool:
        """Move it to completed or failed; False when it is ours no more."""
        ...


class TaskSender:
    """Tells the orchestrator from the outbox how a task ended."""

    def __init__(self, orchestrator: Assigns) -> None:
        self._orchestrator = orchestrator

    async def send(self, message: Outgoing) -> None:
        """Finish the task. Raises Permanent when it is ours no more, or another orchestrator's."""
        prefix = f"{self._orchestrator.base_url}/tasks/"
        number = message.address.removeprefix(prefix)
        if not message.address.startswith(prefix) or not number.isdigit():
            raise Permanent(f"{message.address} is no task of {self._orchestrator.base_url}.")
        if not await self._orchestrator.finish(int(number), **message.body):
            raise Permanent(f"Task {number} has ended or is this droplet's no more: it takes no news.")


class Assignments:
    """Polls each `poll` seconds. A task is known by its number: however often it is seen, it is one build.

    `in_progress` is written to the orchestrator before the build exists; a kill between the two leaves a task
    that is in progress without a build, and the next look begins it. The end is told by Deliveries, through
    TaskSender. `submit_fields` checks an order as the API does; it raises Invalid.
    """

    def __init__(
        self,
        *,
        orchestrator: Assigns,
        store: Store,
        submit: Callable[[SubmitRequest], Awaitable[SubmitReply]],
        submit_fields: Callable[[FoundOrder], dict[str, Any]],
        reports: Reports,
        poll: float = 10.0,
    ) -> None:
        self._orchestrator = orchestrator
        self._store = store
        self._submit = submit
        self._submit_fields = submit_fields
        self._reports = reports
        self._poll = poll
        self._said = ""
        self._odd: set[tuple[int, str]] = set()

    async def run(self) -> None:
        """Take tasks until cancelled."""
        while True:
            try:
                await self.look()
                self._said = ""
            except ExecutorError as error:
                if str(error) != self._said:
                    log.warning("tasks_not_taken", reason=str(error))
                self._said = str(error)
            except Exception:  # one odd answer must not end the work for this orchestrator
                log.exception("tasks_not_taken")
            await asyncio.sleep(self._poll)

    async def look(self) -> None:
        """Look once at every build task that is assigned to us."""
        for task in await self._orchestrator.tasks():
            if task.task_type != _BUILD:
                continue
            try:
                await self._take(task)
            except Permanent as error:  # the other tasks are not to blame
                self._say(task.id, str(error))

    async def _take(self, task: Task) -> None:
        address = f"{self._orchestrator.base_url}/tasks/{task.id}"
        builds = await self._store.orders.builds_of(TASK, address)
        newest = await self._store.builds.get(builds[-1]) if builds else None
        if newest is not None and newest.state not in FINISHED:
            if task.status == _ASSIGNED:  # it was taken from us and given back while the build went on
                await self._orchestrator.start(task.id)
        elif newest is None or (await self._is_told(newest) and newest.state is not State.COMPLETE):
            await self._begin(task.id, address, len(builds) + 1)
        elif newest.state is State.COMPLETE and await self._is_told(newest):
            await self._say_again(task.id, address, newest)

    async def _is_told(self, build: Build) -> bool:
        """True when the end of the build waits no more in the outbox: what the task says now is newer."""
        rows = await self._store.outbox.of_build(build.id)
        told = [row for row in rows if row["kind"] == TASK]
        return bool(told) and all(row["sent_at"] or row["gave_up_at"] for row in told)

    async def _begin(self, task_id: int, address: str, attempt: int) -> None:
        """Start a build for the task; the orchestrator tries a failed one again, which is another attempt."""
        task = await self._orchestrator.task(task_id)
        if task is None or not await self._orchestrator.start(task_id):
            self._say(task_id, "The orchestrator does not let this droplet start it.")
            return
        try:
            fields = self._submit_fields(_order_of(task))
            digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
            request = SubmitRequest(
                **fields,
                idempotency_key=f"task {address} attempt {attempt}",
                body_digest=digest,
                request_id=f"task-{task_id}",
                order=Order(TASK, address, address),
            )
            reply = await self._submit(request)
        except (Invalid, Conflict) as refusal:
            log.warning("task_refused", task=task_id, reason=str(refusal))
            refused = {"code": refusal.code, "details": refusal.details}
            await self._orchestrator.finish(task_id, "failed", refused, str(refusal))
            return
        log.info("task_taken", task=task_id, build_id=reply.build.id, attempt=attempt)

    def _say(self, task_id: int, why: str) -> None:
        """Once for each task and reason: it is looked at again and again."""
        if (task_id, why) not in self._odd:
            log.warning("task_not_taken", task=task_id, reason=why)
        self._odd = {*list(self._odd)[-_MOST_ODD:], (task_id, why)}

    async def _say_again(self, task_id: int, address: str, build: Build) -> None:
        """The orchestrator forgot that the build is complete; building it again would change nothing."""
        ended = Ended(build.id, Order(TASK, address, address), build.finished_at or build.updated_at)
        await self._orchestrator.finish(task_id, **self._reports.of(ended, build).body)


def _order_of(task: Task) -> FoundOrder:
    """The task as an order; its words are the intent unless its payload names one. Raises Invalid."""
    wanted = {
        "task_type": _BUILD,
        "title": task.title,
        "description": task.description,
        "payload": dict(task.payload),
    }
    found = find_order(wanted)
    if found is None:
        raise Invalid(
            "The task's type is build, and its payload orders something else; nothing was started.",
            hint="Leave command, action, operation and type out of the payload, or set them to build.",
        )
    return found
