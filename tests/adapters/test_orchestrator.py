"""Both Orchestrators as they are, not as they are described."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from executor.adapters.orchestrator import CoreOrchestrator, Self
from executor.adapters.orchestrator_numbered import NumberedOrchestrator
from executor.errors import Permanent, Transient
from tests.fakes.orchestrator import FakeCoreOrchestrator, FakeNumberedOrchestrator

OWN = Self(12, "http://localhost:8400")


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture(params=[True, False], ids=["enveloped", "plain"])
async def fake(request: pytest.FixtureRequest) -> AsyncIterator[FakeNumberedOrchestrator]:
    async with FakeNumberedOrchestrator(enveloped=request.param) as serving:
        serving.token = "secret"
        yield serving


@pytest.fixture
def numbered(fake: FakeNumberedOrchestrator, session: aiohttp.ClientSession) -> NumberedOrchestrator:
    return NumberedOrchestrator(session, fake.url + "/", OWN, token="secret", timeout=2)


async def test_the_core_orchestrator_hears_of_us_by_a_status_message(session: aiohttp.ClientSession) -> None:
    async with FakeCoreOrchestrator() as core:
        core.token = "secret"
        await CoreOrchestrator(session, core.url, OWN, token="secret").heartbeat("active", {"running": 1})
        ((_, path, body),) = core.requests
    assert path == "/orchestrator/message"
    assert (body["message_type"], body["target"], body["source"]) == ("status", "orchestrator", "executor")
    assert body["payload"]["status"] == "active"
    assert (body["payload"]["endpoint"], body["payload"]["metrics"]) == (OWN.endpoint, {"running": 1})


async def test_a_registration_that_answers_500_and_is_stored_counts(
    fake: FakeNumberedOrchestrator, numbered: NumberedOrchestrator
) -> None:
    await numbered.heartbeat("active", {})
    await numbered.heartbeat("inactive", {})
    assert [path for _, path, _ in fake.requests] == [
        "/droplets/register", "/droplets/register", "/droplets/12/heartbeat", "/droplets/12/heartbeat",
    ]  # fmt: skip
    assert fake.droplets[12]["endpoint"] == "http://localhost:8400"
    assert "build" in fake.droplets[12]["capabilities"]
    assert [beat["status"] for _, beat in fake.beats] == ["active", "inactive"]


async def test_an_orchestrator_that_forgot_us_is_registered_with_again(
    fake: FakeNumberedOrchestrator, numbered: NumberedOrchestrator
) -> None:
    await numbered.heartbeat("active", {})
    fake.droplets.clear()
    await numbered.heartbeat("active", {})
    assert 12 in fake.droplets
    assert len(fake.beats) == 2


async def test_a_registration_that_fails_twice_is_tried_with_the_next_beat(
    fake: FakeNumberedOrchestrator, numbered: NumberedOrchestrator
) -> None:
    fake.fail(2)
    with pytest.raises(Transient):
        await numbered.heartbeat("active", {})
    await numbered.heartbeat("active", {})
    assert len(fake.beats) == 1


async def test_a_token_of_another_droplet_is_named_as_the_reason(
    fake: FakeNumberedOrchestrator, session: aiohttp.ClientSession, numbered: NumberedOrchestrator
) -> None:
    fake.caller = 13
    with pytest.raises(Permanent, match=r"403.*ORCHESTRATOR_TOKEN"):
        await numbered.heartbeat("active", {})
    with pytest.raises(Permanent, match=r"401.*ORCHESTRATOR_TOKEN"):
        await NumberedOrchestrator(session, fake.url, OWN).tasks()


async def test_only_our_open_tasks_are_listed_and_payloads_are_opened(
    fake: FakeNumberedOrchestrator, numbered: NumberedOrchestrator
) -> None:
    for number, status in enumerate(["assigned", "in_progress", "completed", "failed", "cancelled"], 1):
        fake.assign(number, {"intent": "x", "n": number}, status=status)
    fake.assign(9, {}, droplet=13)
    assert [(task.id, task.status) for task in await numbered.tasks()] == [
        (1, "assigned"),
        (2, "in_progress"),
    ]
    task = await numbered.task(1)
    assert task is not None
    assert (task.payload, task.description) == ({"intent": "x", "n": 1}, "")
    assert await numbered.task(99) is None


async def test_a_task_is_walked_along_the_only_way_that_is_allowed(
    fake: FakeNumberedOrchestrator, numbered: NumberedOrchestrator
) -> None:
    task = fake.assign(1, {})
    assert await numbered.finish(1, "completed", {"build_id": "b"})
    assert await numbered.finish(1, "completed", {"build_id": "b"})
    assert task["state_history"] == ["pending", "assigned", "in_progress", "completed"]
    assert task["result"] == {"build_id": "b"}
    failed = fake.assign(2, {})
    assert await numbered.start(2)
    assert await numbered.finish(2, "failed", {}, "broken")
    assert failed["error_message"] == "broken"


@pytest.mark.parametrize("act", ["start", "finish"])
async def test_a_move_whose_answer_was_lost_is_found_again(
    fake: FakeNumberedOrchestrator, numbered: NumberedOrchestrator, act: str
) -> None:
    task = fake.assign(1, {}, status="in_progress" if act == "finish" else "assigned")

    async def move() -> bool:
        return await (numbered.start(1) if act == "start" else numbered.finish(1, "completed", {}))

    fake.drop()
    with pytest.raises(Transient):
        await move()
    before = list(task["state_history"])
    assert await move()
    assert task["state_history"] == before


@pytest.mark.parametrize(
    "change", [{"assigned_droplet_id": 13}, {"status": "cancelled"}, {"status": "pending"}, None]
)
async def test_a_task_that_is_ours_no_more_is_left_alone(
    fake: FakeNumberedOrchestrator, numbered: NumberedOrchestrator, change: dict[str, Any] | None
) -> None:
    if change is not None:
        fake.assign(1, {}, **change)
    before = {number: dict(task) for number, task in fake.tasks.items()}
    assert not await numbered.start(1)
    assert not await numbered.finish(1, "completed", {})
    assert fake.tasks == before


async def test_a_list_that_is_none_says_which_setting_to_look_at(session: aiohttp.ClientSession) -> None:
    async with FakeCoreOrchestrator() as core:
        with pytest.raises(Permanent, match=r"\[orchestrator\] url"):
            await NumberedOrchestrator(session, core.url, OWN).tasks()
