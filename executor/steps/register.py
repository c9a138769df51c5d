"""Step 7, Registry Update: the built-in registry has the release already; the ecosystem's follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from executor.adapters.registry_choice import out_of_reach
from executor.adapters.registry_entry import Registry, RegistryEntry
from executor.adapters.running_release import capabilities_of
from executor.domain.outcome import Done, Outcome
from executor.domain.step import StepContext
from executor.steps.shared import refuse_superseded
from executor.store.droplets import Droplets

_FACTS = ("version", "commit", "spec_score", "tests_passing")


@dataclass(frozen=True, slots=True)
class RegisterStep:
    """Upsert by probe; a foreign droplet is never replaced (ecosystem.md section 2)."""

    registry: Registry | None
    droplets: Droplets
    number: int = 7

    async def run(self, context: StepContext) -> Outcome:
        """Register the live release.

        Raises Transient while the registry is away, Conflict for a foreign entry or a replaced release.
        """
        build = context.build
        await refuse_superseded(self.droplets, build)
        url = str(build.facts["deployment_url"])
        if self.registry is None:
            return Done(f"Registered in the built-in registry as droplet {build.droplet_id}.")
        registry = self.registry
        context.progress(f"registering with {registry.ways.title}")

        async def probe() -> Mapping[str, Any] | None:
            return None  # register() itself looks before it writes, and writing twice ends in the same entry

        async def act() -> Mapping[str, Any]:
            registered = await registry.register(await _complete(context, entry_of(context)))
            return {"id": registered.id}

        # The attempt is part of the key: what a withdrawal took back has to be told anew.
        await context.effect(f"register/{build.facts['release']}/{build.attempt}/{url}", probe=probe, act=act)
        _say_what_is_untold(context, registry, url)
        return Done(
            f"Registered as droplet {build.droplet_id}, also in {registry.ways.title}.", {"registered": True}
        )


def entry_of(context: StepContext) -> RegistryEntry:
    """What a registry is told of this build's release, but for its capabilities."""
    build = context.build
    return RegistryEntry(
        id=build.droplet_id,
        name=build.droplet_name,
        endpoint=str(build.facts["deployment_url"]),
        build_id=build.id,
        release=str(build.facts["release"]),
        metadata=told_facts(build.facts),
    )


def told_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a build that belong into a registry's metadata; those that are not known are left out."""
    return {name: facts[name] for name in _FACTS if facts.get(name) is not None}


async def _complete(context: StepContext, entry: RegistryEntry) -> RegistryEntry:
    """With the capabilities of the running release; a release that does not tell them fails no build."""
    told = await capabilities_of(entry.endpoint)
    if told.problem:
        context.log(f"The registry is not told all that the release can do: {told.problem}.", "warning")
    return replace(entry, metadata={**told.metadata, **entry.metadata})


def _say_what_is_untold(context: StepContext, registry: Registry, url: str) -> None:
    ways = registry.ways
    if ways.left_out:
        context.log(f"This is {ways.title}. {ways.left_out}")
    if out_of_reach(url, ways.url):
        context.log(
            f"{url} is a loopback address, and {ways.title} at {ways.url} is elsewhere: whoever finds the"
            " droplet there cannot reach it. Set [deploy] host to an address that others reach.",
            "warning",
        )
