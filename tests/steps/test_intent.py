"""Step 1 settles a droplet's number once, however often it runs."""

from __future__ import annotations

import aiohttp

from executor.adapters.registry import CoreRegistry
from executor.steps.intent import IntentStep


async def test_a_number_that_moved_is_the_same_after_a_kill_between_the_move_and_its_checkpoint(
    registered, registry
):
    build = await registered.submit()
    await registered.commands.cancel(build.id)
    assert build.droplet_id == 13
    registry.add(13, "stranger")
    async with aiohttp.ClientSession() as session:
        step = IntentStep(registered.store.droplets, CoreRegistry(session, registry.url, None), 12, (1, 9))
        first = await step.run(registered.context(build))
        second = await step.run(registered.context(build))
    assert (first.droplet_id, second.droplet_id) == (14, 14)
    assert [d["id"] for d in await registered.store.droplets.all()] == [14]
