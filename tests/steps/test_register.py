"""Step 7 tells the core Registry, and tells it again when what it was told has been taken back."""

from __future__ import annotations

from dataclasses import replace

import aiohttp

from executor.adapters.registry import CoreRegistry
from executor.steps.register import RegisterStep


async def test_a_release_that_was_deregistered_is_registered_again_by_a_later_attempt(registered, registry):
    build = await registered.made()
    async with aiohttp.ClientSession() as session:
        step = RegisterStep(CoreRegistry(session, registry.url, None))
        registry.droplets.clear()
        await step.run(registered.context(replace(build, step=7, attempt=1)))
        assert registry.droplets == {}, "the same attempt is not made twice"
        await step.run(registered.context(replace(build, step=7, attempt=2)))
    assert registry.droplets[build.droplet_id]["endpoint"] == build.facts["deployment_url"]
