"""A build that works until a test lets it go: what happens to the daemon meanwhile must not disturb it."""

from __future__ import annotations

import asyncio

from executor.domain.build import State
from executor.domain.outcome import Done, Outcome
from executor.domain.step import StepContext
from tests.web.conftest import Site


async def waiting_build(site: Site) -> tuple[str, asyncio.Event]:
    """A build that works until the event is set."""
    goes_on = asyncio.Event()

    async def waits(_: StepContext) -> Outcome:
        await goes_on.wait()
        return Done("It was not disturbed.")

    site.world.steps[4].script = waits
    build = await site.world.submit()
    await site.world.until(build.id, State.IN_PROGRESS)
    return build.id, goes_on
