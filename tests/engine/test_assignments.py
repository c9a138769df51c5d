"""Tasks of droplet-10 become builds, one each, and end there as the builds ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from executor.adapters.orchestrator import Self
from executor.adapters.orchestrator_numbered import NumberedOrchestrator
from executor.domain.build import State
from executor.domain.outcome import Outcome
from executor.domain.step import StepContext
from executor.engine.assignments import Assignments, TaskSender
from executor.engine.assignments_heartbeat import OrchestratorHeartbeat
from executor.engine.deliveries import Deliveries
from executor.engine.reports import Reports
from executor.engine.requests import SubmitReply, SubmitRequest
from executor.errors import Permanent, Transient, Unavailable
from executor.web.orders import submit_fields
from tests.engine.conftest import World, running_world
from tests.fakes.orchestrator import FakeNumberedOrchestrator
from tests.patience import PATIENCE

ORDER = {"intent": "Build Ledger Droplet to keep accounts"}
WALKED = ["pending", "assigned", "in_progress", "completed"]


@dataclass
class Desk:
    """Everything that works for one orchestrator, over one engine."""

    world: World
    fake: FakeNumberedOrchestrator
    assignments: Assignments
    deliveries: Deliveries
    submits: list[str] = field(default_factory=list)

    async def look(self) -> None:
        """One turn of both loops."""
        await self.assignments.look()
        await self.deliveries.look()

    async def until_ended(self) -> None:
        for build in await self.world.store.builds.unfinished():
            await self.world.until(build.id)

    async def builds(self) -> list[tuple[str, State]]:
        found = (await self.world.store.builds.page()).builds
        return [(build.intent, build.state) for build in reversed(found)]


@asynccontextmanager
async def desk_over(world: World, fake: FakeNumberedOrchestrator, ahead: float = 0.0) -> AsyncIterator[Desk]:
    reports = Reports("http://localhost:8400", 12)
    async with aiohttp.ClientSession() as session:
        orchestrator = NumberedOrchestrator(session, fake.url, Self(12, "http://localhost:8400"), timeout=2)
        submits: list[str] = []

        async def submit(request: SubmitRequest) -> SubmitReply:
            submits.append(fake.tasks[int(request.request_id.removeprefix("task-"))]["status"])
            return await world.commands.submit(request)

        yield Desk(
            world,
            fake,
            Assignments(
                orchestrator=orchestrator,
                store=world.store,
                submit=submit,
                submit_fields=submit_fields,
                reports=reports,
                poll=0.01,
            ),
            Deliveries(
                store=world.store,
                senders={"task": TaskSender(orchestrator)},
                reports=reports,
                clock=lambda: world.live.now() + ahead,
            ),
            submits,
        )


@pytest.fixture
async def fake() -> AsyncIterator[FakeNumberedOrchestrator]:
    async with FakeNumberedOrchestrator() as serving:
        yield serving


@pytest.fixture
async def desk(world: World, fake: FakeNumberedOrchestrator) -> AsyncIterator[Desk]:
    async with desk_over(world, fake) as ready:
        yield ready


async def breaks(_: StepContext) -> Outcome:
    raise Permanent("It does not compile.")


async def test_a_task_is_in_progress_before_its_build_exists_and_completed_after(desk: Desk) -> None:
    task = desk.fake.assign(1, ORDER)
    for _ in range(3):
        await desk.look()
    assert desk.submits == ["in_progress"]
    await desk.until_ended()
    await desk.look()
    await desk.look()
    assert task["state_history"] == WALKED
    assert (task["result"]["status"], task["result"]["droplet_name"]) == ("complete", "ledger")
    assert await desk.builds() == [(ORDER["intent"], State.COMPLETE)]


async def test_a_failed_build_fails_its_task_and_a_new_assignment_is_a_new_attempt(desk: Desk) -> None:
    desk.world.steps[4].script = breaks
    task = desk.fake.assign(1, ORDER)
    await desk.look()
    await desk.until_ended()
    await desk.look()
    assert (task["status"], task["error_message"]) == ("failed", "It does not compile.")
    desk.world.steps[4].script = None
    for status in ("pending", "assigned"):
        desk.fake.move(1, status)
    for _ in range(2):
        await desk.look()
    await desk.until_ended()
    await desk.look()
    assert task["status"] == "completed"
    assert [state for _, state in await desk.builds()] == [State.FAILED, State.COMPLETE]


async def test_a_kill_between_the_two_writes_is_made_good(desk: Desk) -> None:
    task = desk.fake.assign(1, ORDER)
    desk.fake.move(1, "in_progress")  # our own write, after which nothing was stored
    await desk.look()
    await desk.until_ended()
    await desk.look()
    assert task["state_history"] == WALKED
    assert len(await desk.builds()) == 1


async def test_a_kill_in_a_second_attempt_is_made_good_too(desk: Desk) -> None:
    desk.world.steps[4].script = breaks
    task = desk.fake.assign(1, ORDER)
    await desk.look()
    await desk.until_ended()
    await desk.look()
    desk.world.steps[4].script = None
    for status in ("pending", "assigned", "in_progress"):
        desk.fake.move(1, status)
    await desk.look()
    await desk.until_ended()
    await desk.look()
    assert (task["status"], len(await desk.builds())) == ("completed", 2)


async def test_the_end_waits_for_an_orchestrator_that_is_away_and_outlives_the_daemon(
    tmp_path: Path, fake: FakeNumberedOrchestrator
) -> None:
    task = fake.assign(1, ORDER)
    async with running_world(tmp_path) as world, desk_over(world, fake) as desk:
        await desk.look()
        await desk.until_ended()
        fake.fail(1)
        await desk.deliveries.look()
        assert task["status"] == "in_progress"
    async with running_world(tmp_path) as world, desk_over(world, fake, ahead=3600.0) as desk:
        await desk.look()
        await desk.look()
        assert len(await desk.builds()) == 1
    assert task["state_history"] == WALKED


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
async def test_a_task_that_comes_back_complete_is_answered_and_not_built_again(
    desk: Desk, told: bool
) -> None:
    task = desk.fake.assign(1, ORDER)
    await desk.look()
    await desk.until_ended()
    if told:
        await desk.deliveries.look()
    desk.fake.move(1, "assigned")  # it restarted from a backup, or thought us dead
    await desk.look()
    await desk.look()
    assert task["state_history"][-2:] == ["in_progress", "completed"]
    assert len(await desk.builds()) == 1


async def test_a_task_that_is_given_back_during_its_build_is_started_there_again(desk: Desk) -> None:
    held = asyncio.Event()

    async def waits(context: StepContext) -> Outcome:
        await held.wait()
        return await type(desk.world.steps[4])(4).run(context)

    desk.world.steps[4].script = waits
    task = desk.fake.assign(1, ORDER)
    await desk.look()
    for status in ("pending", "assigned"):
        desk.fake.move(1, status)
    await desk.look()
    assert task["status"] == "in_progress"
    held.set()
    await desk.until_ended()
    await desk.look()
    assert (task["status"], len(await desk.builds())) == ("completed", 1)


@pytest.mark.parametrize(
    ("payload", "more", "said"),
    [
        ({"intent": ""}, {}, "payload"),
        ({**ORDER, "budget_usd": "much"}, {}, "budget_usd"),
        ({**ORDER, "droplet_id": 12}, {}, "12"),
        ({**ORDER, "command": "deploy"}, {}, "payload orders something else"),
    ],
)
async def test_a_task_that_cannot_be_taken_fails_there_with_the_reason(
    desk: Desk, payload: Any, more: dict[str, Any], said: str
) -> None:
    task = desk.fake.assign(1, payload, **more)
    good = desk.fake.assign(2, ORDER)
    await desk.look()
    assert (task["status"], good["status"]) == ("failed", "in_progress")
    assert said in task["error_message"]
    await desk.until_ended()
    assert len(await desk.builds()) == 1


async def test_a_title_is_the_intent_of_a_task_without_one(desk: Desk) -> None:
    desk.fake.assign(1, {}, title="Build Ledger Droplet", description="It keeps accounts.")
    await desk.look()
    assert (await desk.builds())[0][0] == "Build Ledger Droplet\n\nIt keeps accounts."


async def test_other_tasks_and_tasks_of_others_are_left_alone(desk: Desk) -> None:
    verify = desk.fake.assign(1, ORDER, task_type="verify")
    other = desk.fake.assign(2, ORDER, droplet=13)
    await desk.look()
    assert (verify["status"], other["status"]) == ("assigned", "assigned")
    assert await desk.builds() == []


async def test_a_task_that_was_taken_away_is_not_reported_on_for_ever(desk: Desk) -> None:
    task = desk.fake.assign(1, ORDER)
    await desk.look()
    task["assigned_droplet_id"] = 13
    await desk.until_ended()
    await desk.look()
    ((build_id, _),) = [(b.id, b.state) for b in (await desk.world.store.builds.page()).builds]
    (row,) = await desk.world.store.outbox.of_build(build_id)
    assert "takes no news" in row["reason"]
    assert task["status"] == "in_progress"


async def test_a_daemon_that_stops_takes_no_task_and_its_successor_does(desk: Desk) -> None:
    task = desk.fake.assign(1, ORDER)
    desk.world.live.draining = True
    with pytest.raises(Unavailable):
        await desk.look()
    assert await desk.builds() == []
    desk.world.live.draining = False
    await desk.look()
    await desk.until_ended()
    await desk.look()
    assert task["state_history"] == WALKED


async def test_the_loop_outlives_an_orchestrator_that_is_away(desk: Desk) -> None:
    desk.fake.fail(3)
    with pytest.raises(Transient):
        await desk.look()
    task = desk.fake.assign(1, ORDER)
    running = asyncio.create_task(desk.assignments.run())
    async with asyncio.timeout(PATIENCE):
        while task["status"] != "in_progress":
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_heart_beats_on_when_nobody_hears(fake: FakeNumberedOrchestrator) -> None:
    conditions = iter(["active", "active", "inactive"])
    async with aiohttp.ClientSession() as session:
        orchestrator = NumberedOrchestrator(session, fake.url, Self(12, "http://localhost:8400"), timeout=2)
        heart = OrchestratorHeartbeat(orchestrator, lambda: next(conditions), lambda: {"running": 1})
        fake.fail(2)
        seen = [heart.status]
        for _ in range(3):
            await heart.beat()
            seen.append(heart.status)
    assert seen == ["unavailable", "unavailable", "connected", "connected"]
    assert [beat for _, beat in fake.beats] == [
        {"status": "active", "metrics": {"running": 1}}, {"status": "inactive", "metrics": {"running": 1}},
    ]  # fmt: skip
