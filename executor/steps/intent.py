"""Step 1, Intent: the droplet's number and name against the live registry, and its starting commit."""

from __future__ import annotations

from dataclasses import dataclass

from executor.adapters.registry import Registry
from executor.domain.naming import next_droplet_id
from executor.domain.outcome import Done, Outcome
from executor.domain.step import StepContext
from executor.errors import Conflict
from executor.store.droplets import Droplets


@dataclass(frozen=True, slots=True)
class IntentStep:
    """`ports` is the configured range; the SPEC names the port that a droplet's number falls on."""

    droplets: Droplets
    registry: Registry | None
    own_id: int
    ports: tuple[int, int]
    number: int = 1

    async def run(self, context: StepContext) -> Outcome:
        """Check the number against the registry, then fix version and starting commit."""
        build = context.build
        context.progress("checking the droplet's number and name")
        droplet_id = await self._settled_id(context)
        releases = await self.droplets.releases(droplet_id)
        live = await self.droplets.live(droplet_id)
        span = self.ports[1] - self.ports[0] + 1
        facts = {
            "version": f"0.{len({r.build_id for r in releases} - {build.id}) + 1}.0",
            "base_commit": live.commit_hash if live else None,
            "port": self.ports[0] + droplet_id % span,
        }
        kind = f"a new release, {facts['version']}," if live else "the first release"
        return Done(
            f"Droplet {droplet_id}, {build.droplet_name}: {kind} will be built.",
            facts,
            droplet_id=droplet_id if droplet_id != build.droplet_id else None,
        )

    async def _settled_id(self, context: StepContext) -> int:
        build = context.build
        if self.registry is None:
            return build.droplet_id
        entries = await self.registry.known()
        foreign = [e for e in entries if not e.ours]
        ours = await self.droplets.names()
        moved = next((i for i, name in ours.items() if name == build.droplet_name), build.droplet_id)
        namesake = next((e for e in foreign if e.name == build.droplet_name), None)
        if moved != build.droplet_id and namesake is None and all(e.id != moved for e in foreign):
            return moved  # before a kill, or by an earlier build of this droplet
        holder = next((e for e in foreign if e.id == build.droplet_id and e.name != build.droplet_name), None)
        if namesake is not None or (holder is not None and not build.chosen_id):
            taken = namesake or holder
            raise Conflict(
                f"The registry holds {taken.name if taken else ''} as droplet {taken.id if taken else 0},"
                " which this executor did not build; nothing was changed.",
                hint="Submit the intent again with another droplet_id and droplet_name, or leave both out.",
                code="DROPLET_TAKEN",
            )
        if holder is None:
            return build.droplet_id
        free = next_droplet_id([*ours, *(e.id for e in entries), self.own_id])
        await self.droplets.move(build.droplet_name, free, context.now())
        context.log(f"Droplet {build.droplet_id} is {holder.name} in the registry; this one becomes {free}.")
        return free
