"""Step 7, Registry Update: the built-in registry has the release already; the core Registry follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from executor.adapters.registry import Registry, RegistryEntry
from executor.domain.outcome import Done, Outcome
from executor.domain.step import StepContext


@dataclass(frozen=True, slots=True)
class RegisterStep:
    """Upsert by probe; a foreign droplet is never replaced (ecosystem.md section 2.1)."""

    registry: Registry | None
    number: int = 7

    async def run(self, context: StepContext) -> Outcome:
        """Register the live release. Raises Transient while it is away, Conflict for a foreign entry."""
        build = context.build
        url = str(build.facts["deployment_url"])
        if self.registry is None:
            return Done(f"Registered in the built-in registry as droplet {build.droplet_id}.")
        registry = self.registry
        context.progress("registering with the core Registry")
        entry = entry_of(context)

        async def probe() -> Mapping[str, Any] | None:
            return None  # register() itself looks before it writes, and writing twice ends in the same entry

        async def act() -> Mapping[str, Any]:
            registered = await registry.register(entry)
            return {"id": registered.id}

        # The attempt is part of the key: what a withdrawal took back has to be told anew.
        await context.effect(f"register/{build.facts['release']}/{build.attempt}/{url}", probe=probe, act=act)
        return Done(
            f"Registered as droplet {build.droplet_id}, also in the core Registry.", {"registered": True}
        )


def entry_of(context: StepContext) -> RegistryEntry:
    """What the core Registry is told of this build's release."""
    build = context.build
    return RegistryEntry(
        id=build.droplet_id,
        name=build.droplet_name,
        endpoint=str(build.facts["deployment_url"]),
        build_id=build.id,
        release=str(build.facts["release"]),
        metadata={
            "version": build.facts["version"],
            "commit": build.facts["commit"],
            "spec_score": build.facts.get("spec_score"),
            "tests_passing": build.facts.get("tests_passing"),
        },
    )
