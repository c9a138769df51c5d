"""The model's service is away: the wait is visible, is no iteration and no work, and ends by itself."""

from __future__ import annotations

import time
from collections import Counter

from executor.domain.build import Build, State
from executor.store.turns_read import TurnsRead
from tests.fakes.apprentice import answer, finish, run_tests
from tests.fakes.model import Fault, script
from tests.steps.conftest import House
from tests.steps.workbench import workbench

FOURTEEN_MINUTES = 14 * 60
FAULTS = (Fault(status=529), Fault(status=429, retry_after="7"), Fault(overload_after=3), Fault(drop_after=5))
STILL = (State.WAITING_RETRY, State.COMPLETE, State.FAILED, State.WAITING_INPUT)


class Clock:
    """Now, and as much later as a test says."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def overloaded_while(clock: Clock, begun: float):
    """The service answers the first call of the Apprentice, then nobody for fourteen minutes."""
    asked: list[int] = []

    def fault(body: dict, _: int) -> Fault | None:
        if not body.get("tools") or len(body["messages"]) < 3 or clock() - begun > FOURTEEN_MINUTES:
            return None
        asked.append(1)
        kinds = (
            Fault(status=529),
            Fault(status=429, retry_after="7"),
            Fault(overload_after=3),
            Fault(drop_after=5),
        )
        return kinds[len(asked) % len(kinds)]

    return fault


async def wait_out(house: House, clock: Clock, build: Build) -> list[Build]:
    """Let the clock jump to the end of each wait; returns the build as it stood in each of them."""
    seen: list[Build] = []
    while True:
        now = await house.until(
            build.id, State.WAITING_RETRY, State.COMPLETE, State.FAILED, State.WAITING_INPUT
        )
        if now.state is not State.WAITING_RETRY:
            return [*seen, now]
        seen.append(now)
        clock.ahead += max(0.0, now.wake_at - clock()) + 0.01
        await house.commands.top_up(build.id, 0.01)  # any commit lets the scheduler look at the clock
        await house.until(build.id, *(s for s in State if s is not State.WAITING_RETRY))


async def test_r8_fourteen_minutes_of_overload_lose_no_turn_and_count_as_no_iteration(tmp_path, ledger):
    clock = Clock()
    faults = overloaded_while(clock, clock())
    replies = script([answer("test_a"), run_tests()], [answer(), finish()])
    async with workbench(tmp_path / "state", replies, faults=faults, clock=clock) as (house, _):
        build = await house.submit(budget_usd=50.0)
        *waits, done = await wait_out(house, clock, build)
        turns = Counter(turn["state"] for turn in await TurnsRead(house.store.database).of_build(build.id))
    assert done.state is State.COMPLETE, done.error
    assert clock.ahead >= FOURTEEN_MINUTES
    assert len(waits) >= 5
    assert all(wait.wake_at and "model" in wait.error["message"].lower() for wait in waits)
    assert done.facts["ai_iterations"] == 2
    assert done.working_seconds < FOURTEEN_MINUTES / 10
    assert (done.retries, done.retrying_since) == (0, None)
    assert turns["answered"] == 4  # the SPEC, two of the Apprentice, the hidden tests: none asked twice
    assert turns["failed"] == len(waits)
    ledger.tried("replies of an overloaded model", turns["failed"])


async def test_past_the_patience_a_person_is_asked_and_nothing_is_lost(tmp_path):
    clock = Clock()
    faults = overloaded_while(clock, clock())
    replies = script([answer("test_a"), run_tests()], [answer(), finish()])
    settings = {"model": {"patience": "2m"}}
    async with workbench(tmp_path / "state", replies, faults=faults, clock=clock, **settings) as (house, _):
        build = await house.submit(budget_usd=50.0)
        *_, asked = await wait_out(house, clock, build)
        assert asked.state is State.WAITING_INPUT
        clock.ahead += FOURTEEN_MINUTES
        await house.commands.answer(build.id, {"go_on": "retry"})
        done = await house.until(build.id)
    assert done.facts["ai_iterations"] == 2
