"""Trust.md R14: clock jumps are harmless."""

from __future__ import annotations

from pathlib import Path

import pytest

from executor.domain.build import State
from executor.domain.outcome import Done, Outcome
from executor.domain.step import StepContext
from executor.errors import Transient
from executor.steady_clock import SteadyClock
from tests.engine.conftest import running_world
from tests.proof.ledger import Ledger

DAY = 86_400.0


class Wall:
    """A wall clock that somebody sets."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


def test_r14_the_wall_may_jump_and_the_clock_goes_on_evenly(ledger):
    wall, steady = Wall(), [100.0]
    clock = SteadyClock(wall, lambda: steady[0])
    for jump in (DAY, -3 * DAY, 0.5):
        before = clock()
        wall.time += jump
        steady[0] += 2.0
        assert clock() - before == pytest.approx(2.0)
        ledger.tried("clock jumps")
    clock.settle()
    assert clock() == wall.time


@pytest.mark.parametrize("jump", [DAY, -DAY, 40 * DAY, -40 * DAY])
async def test_r14_a_build_whose_every_step_sees_the_clock_jump_ends_as_ever(
    tmp_path: Path, jump: float, ledger: Ledger
):
    wall = Wall()
    clock = SteadyClock(wall)
    failures = [1]

    async def jumps(context: StepContext) -> Outcome:
        wall.time += jump
        if context.build.step == 5 and failures:
            failures.pop()
            raise Transient("Once more, please.")
        facts = {6: {"deploying": True, "release": "r1"}}.get(context.build.step, {})
        return Done("It is done.", facts)

    async with running_world(tmp_path, clock=clock, deadline=60.0) as world:
        for step in world.steps.values():
            step.script = jumps
        build = await world.submit()
        done = await world.until(build.id)
        events = await world.store.builds.events(build.id)
    assert done.state is State.COMPLETE, done.error
    assert 0 <= done.working_seconds < 60
    assert [event.seq for event in events] == list(range(1, done.last_seq + 1))
    times = [event.timestamp for event in events]
    assert times == sorted(times) and times[-1] - times[0] < 60
    ledger.tried("clock jumps", len(done.completed))
