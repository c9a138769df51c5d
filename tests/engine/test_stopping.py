"""A step that is being stopped is neither failed nor sent on, whatever its cleaning up runs into."""

from __future__ import annotations

import asyncio

from executor.domain.build import State
from executor.errors import Permanent, Transient
from tests.engine.conftest import running_world


def untidy(error: Exception):
    """A step that works until it is stopped, and then fails to clean up."""

    async def script(context):
        try:
            await asyncio.sleep(60)
        finally:
            raise error

    return script


ERRORS = (OSError("Directory not empty"), Permanent("It cannot be removed."), Transient("It is in use."))


async def test_r9_a_stop_fails_no_build_though_its_step_cannot_clean_up(tmp_path, ledger):
    for number, error in enumerate(ERRORS):
        directory = tmp_path / str(number)
        directory.mkdir()
        async with running_world(directory) as first:
            first.steps[4].script = untidy(error)
            build = await first.submit()
            while not first.steps[4].calls:
                await asyncio.sleep(0.01)
        async with running_world(directory) as second:
            assert (await second.until(build.id)).state is State.COMPLETE
            assert "build_failed" not in await second.event_types(build.id)
        ledger.tried("steps that failed while they were stopped")


async def test_a_cancelled_build_is_cancelled_though_its_step_cannot_clean_up(tmp_path):
    async with running_world(tmp_path) as world:
        world.steps[4].script = untidy(OSError("Directory not empty"))
        build = await world.submit()
        while not world.steps[4].calls:
            await asyncio.sleep(0.01)
        assert (await world.commands.cancel(build.id)).state is State.CANCELLED


async def test_a_deadline_asks_though_the_step_cannot_clean_up(tmp_path):
    async with running_world(tmp_path, deadline=0.2) as world:
        world.steps[4].script = untidy(OSError("Directory not empty"))
        build = await world.submit()
        asked = await world.until(build.id, State.WAITING_INPUT)
        assert "deadline" in asked.hold["reason"]
