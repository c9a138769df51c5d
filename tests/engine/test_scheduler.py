"""Slots, turns and restarts: who runs when, and what nobody may lose."""

from __future__ import annotations

import asyncio
import time

from executor.domain.build import State
from executor.domain.outcome import Done
from executor.errors import Permanent, Transient
from tests.engine.conftest import World, running_world
from tests.patience import PATIENCE


async def _hang(context):
    await asyncio.Event().wait()
    return Done("Never.")


async def test_a_build_cancelled_before_its_owner_took_a_first_step_gives_its_slot_back(tmp_path):
    async with running_world(tmp_path, max_concurrent=1) as world:
        world.steps[1].script = _hang
        first = await world.submit("Build Alpha Droplet")
        # Not one turn of the loop between the owner's birth and the cancel.
        world.scheduler._fill()
        assert world.scheduler.is_running(first.id)
        await world.commands.cancel(first.id)
        world.steps[1].script = None
        await world.until(first.id, State.CANCELLED)
        second = await world.submit("Build Beta Droplet")
        assert (await world.until(second.id)).state is State.COMPLETE


async def test_a_rollback_does_not_wait_for_a_build_of_its_droplet_that_waits_for_a_person(world: World):
    first = await world.submit()
    await world.until(first.id)
    second = await world.submit(approval_mode="final")
    assert second.droplet_id == first.droplet_id
    await world.until(second.id, State.WAITING_APPROVAL)
    await world.commands.rollback(first.id)
    assert (await world.until(first.id, State.ROLLED_BACK)).state is State.ROLLED_BACK


async def test_a_rollback_waits_until_the_running_build_of_its_droplet_has_ended(tmp_path):
    async with running_world(tmp_path) as world:
        first = await world.submit()
        await world.until(first.id)
        go_on = asyncio.Event()

        async def wait(context):
            await go_on.wait()
            return Done("Deployed.", {"deploying": True, "release": "r2"})

        world.steps[6].script = wait
        second = await world.submit()
        while second.id not in world.steps[6].calls:
            await asyncio.sleep(0)
        await world.commands.rollback(first.id)
        for _ in range(20):
            await asyncio.sleep(0)
        assert world.withdrawal.calls == []
        go_on.set()
        await world.until(second.id, State.COMPLETE)
        await world.until(first.id, State.ROLLED_BACK)


async def test_hours_in_which_the_daemon_was_down_are_not_working_time(tmp_path):
    async with running_world(tmp_path) as world:
        world.steps[5].script = _hang
        build = await world.submit()
        while not world.steps[5].calls:
            await asyncio.sleep(0)
    async with running_world(tmp_path, deadline=60.0, ahead=5 * 3600.0) as world:
        done = await world.until(build.id, State.COMPLETE, State.WAITING_INPUT)
        assert done.state is State.COMPLETE
        assert done.working_seconds < 60
        assert all(step.seconds < 60 for step in done.completed)
        assert all(seconds < 60 for _, seconds in await world.store.builds.history())


async def test_a_drain_that_meets_an_interruption_stops_the_build_all_the_same(tmp_path):
    async with running_world(tmp_path) as world:
        world.steps[3].script = _hang
        build = await world.submit()
        while not world.steps[3].calls:
            await asyncio.sleep(0)
        cancelled = asyncio.create_task(world.commands.cancel(build.id))
        while world.scheduler._running[build.id].interruption is None:
            await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE):
            await world.scheduler.stop()
        await cancelled
        assert (await world.store.builds.get(build.id)).state is State.CANCELLED


async def test_a_cancel_that_meets_the_end_of_a_step_is_decided_anew(world: World):
    for _ in range(30):
        build = await world.submit("Build Gamma Droplet", approval_mode="final")
        while len(world.steps[5].calls) == 0:
            await asyncio.sleep(0)
        await world.commands.cancel(build.id)
        assert (await world.until(build.id)).state is State.CANCELLED
        world.steps[5].calls.clear()


async def _does_not_compile(context):
    raise Permanent("It does not compile.")


async def test_a_restart_gives_a_droplet_back_to_the_build_that_was_at_work_on_it(tmp_path):
    async with running_world(tmp_path) as world:
        world.steps[1].script = _does_not_compile
        older = await world.submit(approval_mode="final")
        await world.until(older.id, State.FAILED)
        world.steps[1].script = _hang
        newer = await world.submit()
        await world.until(newer.id, State.IN_PROGRESS)
        await world.commands.retry(older.id, None)
    async with running_world(tmp_path) as world:
        assert (await world.until(newer.id)).state is State.COMPLETE
        await world.until(older.id, State.WAITING_APPROVAL)


async def _come_back_later(context):
    raise Transient("Nobody is there.", retry_after=50.0)


async def test_r14_a_build_that_waits_to_try_again_does_so_though_the_clock_was_set_back_a_day(
    tmp_path, ledger
):
    async with running_world(tmp_path) as world:
        world.steps[3].script = _come_back_later
        build = await world.submit()
        await world.until(build.id, State.WAITING_RETRY)
    async with running_world(tmp_path, clock=lambda: time.time() - 86_400.0) as world:
        assert (await world.until(build.id)).state is State.COMPLETE
    ledger.tried("clock jumps")
