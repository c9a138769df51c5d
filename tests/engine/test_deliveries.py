"""Ends of ordered builds are told to whoever ordered, through restarts and outages, once or marked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from executor.adapters.messenger import Messenger
from executor.adapters.safe_address import AddressRules
from executor.adapters.safe_session import safe_session
from executor.domain.build import Build, State
from executor.domain.outcome import Outcome
from executor.domain.retry import RetryPolicy
from executor.domain.step import StepContext
from executor.engine.deliveries import Deliveries, ReplySender
from executor.engine.reports import Reports
from executor.errors import Permanent
from executor.store import outbox
from executor.store.orders import Order
from executor.store.outbox import Outgoing
from tests.engine.conftest import World, running_world
from tests.fakes.receiver import FakeReceiver
from tests.proof.ledger import Ledger

LOOPBACK = frozenset({"127.0.0.1"})


class Clock:
    """Seconds since the epoch, as far ahead as a test says."""

    def __init__(self, world: World) -> None:
        self._now = world.live.now
        self.ahead = 0.0

    def __call__(self) -> float:
        return self._now() + self.ahead


@asynccontextmanager
async def delivering(
    world: World, named: frozenset[str] = LOOPBACK, services: dict[str, str] | None = None
) -> AsyncIterator[tuple[Deliveries, Clock]]:
    rules, clock = AddressRules(named), Clock(world)
    async with safe_session(rules) as session:
        messenger = Messenger(session, rules, ({} if services is None else services).get, timeout=2)
        yield (
            Deliveries(
                store=world.store,
                senders={"reply": ReplySender(messenger)},
                reports=Reports("http://localhost:8400", 12),
                clock=clock,
                policy=RetryPolicy(first=5.0, longest=900.0, patience=24 * 3600.0),
            ),
            clock,
        )


@pytest.fixture
async def receiver() -> AsyncIterator[FakeReceiver]:
    async with FakeReceiver() as serving:
        yield serving


async def ordered(
    world: World, address: str, variant: str = "b", sender: Any = "orchestrator", **more: Any
) -> Build:
    form = {"variant": variant, "sender": sender, "trace_id": "t-1"}
    return await world.submit(order=Order("reply", "t-1", address, form), **more)


async def does_not_compile(_: StepContext) -> Outcome:
    raise Permanent("It does not compile.")


async def rows(world: World, build: Build) -> list[dict[str, Any]]:
    return await world.store.outbox.of_build(build.id)


async def test_the_end_of_an_ordered_build_is_told_once(world: World, receiver: FakeReceiver) -> None:
    build = await world.until((await ordered(world, f"{receiver.url}/answers?to=me")).id)
    async with delivering(world) as (deliveries, _):
        await deliveries.look()
        await deliveries.look()
    (heard,) = receiver.heard
    assert heard.path == "/answers"
    assert (heard.body["message_type"], heard.body["trace_id"]) == ("status", "t-1")
    assert (heard.body["source"], heard.body["target"]) == ("executor", "orchestrator")
    told = heard.body["payload"]
    assert (told["build_id"], told["status"], told["error"]) == (build.id, "complete", None)
    assert told["status_url"] == f"http://localhost:8400/executor/builds/{build.id}/status"
    assert heard.headers["Idempotency-Key"] == told["message_id"]
    assert "repeat" not in told


@pytest.mark.parametrize(
    ("variant", "sender", "fields"),
    [
        ("a", "coordinator", {"from_service": "executor", "message_type": "status_update"}),
        ("c", 10, {"udc_version": "1.0", "message_type": "response", "source": 12, "target": 10}),
        ("c", "droplet-10", {"message_type": "response", "source": "droplet-12", "target": "droplet-10"}),
    ],
)
async def test_the_answer_has_the_form_of_the_order(
    world: World, receiver: FakeReceiver, variant: str, sender: Any, fields: dict[str, Any]
) -> None:
    await world.until((await ordered(world, receiver.url, variant, sender)).id)
    async with delivering(world) as (deliveries, _):
        await deliveries.look()
    assert fields.items() <= receiver.heard[0].body.items()


async def test_a_failure_and_the_success_of_its_retry_are_told_in_order(
    world: World, receiver: FakeReceiver
) -> None:
    world.steps[4].script = does_not_compile
    build = await ordered(world, receiver.url)
    receiver.statuses = [503]
    async with delivering(world) as (deliveries, clock):
        await world.until(build.id, State.FAILED)
        await deliveries.look()
        world.steps[4].script = None
        await world.commands.retry(build.id, None)
        await world.until(build.id, State.COMPLETE)
        await deliveries.look()  # the failure is still on its way, so the success waits for it
        assert [p["status"] for p in receiver.payloads] == ["failed"]
        clock.ahead = 60.0
        await deliveries.look()
        await deliveries.look()
    assert [p["status"] for p in receiver.payloads] == ["failed", "failed", "complete"]
    assert receiver.payloads[0]["error"]["message"] == "It does not compile."
    assert len({p["message_id"] for p in receiver.payloads}) == 2


@pytest.mark.parametrize("how", ["dropped", "killed"])
async def test_an_answer_that_may_have_arrived_is_marked_as_a_repeat(
    world: World, receiver: FakeReceiver, how: str
) -> None:
    build = await world.until((await ordered(world, receiver.url)).id)
    async with delivering(world) as (deliveries, clock):
        if how == "dropped":
            receiver.drop()
            await deliveries.look()
        else:
            receiver.held.clear()
            looking = asyncio.create_task(deliveries.look())
            await receiver.until(1)
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            receiver.held.set()
        clock.ahead = 120.0
        await deliveries.look()
    first, second = receiver.payloads
    assert "repeat" not in first
    assert second == {**first, "repeat": True}
    assert (await rows(world, build))[0]["attempts"] == 2


async def test_an_answer_outlives_the_daemon(tmp_path: Path, receiver: FakeReceiver) -> None:
    async with running_world(tmp_path) as world:
        build = await world.until((await ordered(world, receiver.url)).id)
    async with running_world(tmp_path) as world, delivering(world) as (deliveries, _):
        running = asyncio.create_task(deliveries.run())
        await receiver.until(1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert receiver.payloads[0]["build_id"] == build.id


async def test_a_build_that_ends_while_it_runs_is_told_at_once(world: World, receiver: FakeReceiver) -> None:
    async with delivering(world) as (deliveries, _):
        running = asyncio.create_task(deliveries.run())
        build = await world.until((await ordered(world, receiver.url)).id)
        deliveries.note(build)
        await receiver.until(1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_waits_grow_and_after_a_day_it_is_given_up(world: World, receiver: FakeReceiver) -> None:
    build = await world.until((await ordered(world, receiver.url)).id)
    receiver.statuses = [503] * 1000
    waits = []
    async with delivering(world) as (deliveries, clock):
        while True:
            await deliveries.look()
            (row,) = await rows(world, build)
            if row["gave_up_at"]:
                break
            waits.append(row["next_at"] - clock())
            clock.ahead += waits[-1] + 1
    assert waits[0] < 10
    assert waits[0] < waits[1] < waits[2]
    assert max(waits) < 1000
    assert 23 * 3600 < clock.ahead < 25 * 3600
    assert "503" in row["reason"]


@pytest.mark.parametrize("status", [400, 404, 302])
async def test_a_refusal_is_not_repeated(world: World, receiver: FakeReceiver, status: int) -> None:
    build = await world.until((await ordered(world, receiver.url)).id)
    receiver.statuses, receiver.headers = [status], {"Location": f"{receiver.url}/elsewhere"}
    async with delivering(world) as (deliveries, clock):
        await deliveries.look()
        clock.ahead = 3600.0
        await deliveries.look()
    (row,) = await rows(world, build)
    assert row["gave_up_at"]
    assert str(status) in row["reason"]
    assert len(receiver.heard) == 1


async def test_the_wait_that_a_receiver_asks_for_is_kept(world: World, receiver: FakeReceiver) -> None:
    build = await world.until((await ordered(world, receiver.url)).id)
    receiver.statuses, receiver.headers = [429], {"Retry-After": "300"}
    async with delivering(world) as (deliveries, clock):
        await deliveries.look()
        assert 290 < (await rows(world, build))[0]["next_at"] - clock() < 301


async def test_an_inner_address_is_given_up_without_a_single_byte(
    world: World, receiver: FakeReceiver
) -> None:
    build = await world.until((await ordered(world, receiver.url)).id)
    async with delivering(world, named=frozenset()) as (deliveries, _):
        await deliveries.look()
    assert "reply_hosts" in (await rows(world, build))[0]["reason"]
    assert receiver.heard == []


async def test_a_service_is_found_by_its_name_once_the_registry_knows_it(
    world: World, receiver: FakeReceiver
) -> None:
    await world.until((await ordered(world, "coordinator")).id)
    services: dict[str, str] = {}
    async with delivering(world, services=services) as (deliveries, clock):
        await deliveries.look()
        services["coordinator"] = receiver.url + "/"
        clock.ahead = 60.0
        await deliveries.look()
    assert [heard.path for heard in receiver.heard] == ["/message"]


async def test_one_receiver_that_is_away_keeps_nobody_waiting(world: World, receiver: FakeReceiver) -> None:
    away = await ordered(world, "http://127.0.0.1:1999/")
    build = await ordered(world, receiver.url, intent="Build Stock Droplet")
    for one in (away, build):
        await world.until(one.id)
    async with delivering(world) as (deliveries, _):
        await deliveries.look()
    assert [p["build_id"] for p in receiver.payloads] == [build.id]
    assert (await rows(world, away))[0]["sent_at"] is None


async def test_the_same_message_is_put_into_the_outbox_once(world: World) -> None:
    build = await world.until((await world.submit()).id)
    message = Outgoing("m-1", "mail", build.id, "someone", {"text": "ü"}, 5.0)
    put = [await world.store.database.write(lambda c: outbox.put(c, message)) for _ in range(2)]
    assert put == [True, False]
    assert await world.store.outbox.due(6.0, ("reply",)) == []
    assert await world.store.outbox.due(6.0, ("reply", "mail")) == [message]


async def test_r14_a_message_is_sent_though_the_clock_was_set_back_a_day(
    world: World, receiver: FakeReceiver, ledger: Ledger
) -> None:
    await world.until((await ordered(world, receiver.url)).id)
    async with delivering(world) as (deliveries, clock):
        receiver.statuses = [503]
        await deliveries.look()
        clock.ahead = -86_400.0
        await deliveries.look()
    assert [heard.body["payload"].get("repeat") for heard in receiver.heard] == [None, True]
    ledger.tried("clock jumps")


async def test_r14_a_message_is_not_given_up_because_the_clock_was_set_forward_a_year(
    world: World, receiver: FakeReceiver, ledger: Ledger
) -> None:
    build = await world.until((await ordered(world, receiver.url)).id)
    async with delivering(world) as (deliveries, clock):
        receiver.statuses = [503, 503]
        await deliveries.look()
        clock.ahead = 365 * 86_400.0
        await deliveries.look()
        clock.ahead += 60.0
        await deliveries.look()
    (row,) = await rows(world, build)
    assert (row["attempts"], row["gave_up_at"]) == (3, None)
    assert row["sent_at"]
    ledger.tried("clock jumps")
