"""Taking a release back: the one before serves again, or nothing of the droplet is left running."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from executor.adapters.git import Git
from executor.adapters.registry_entry import Registry, RegistryEntry
from executor.adapters.running_release import capabilities_of
from executor.domain.build import Build
from executor.domain.outcome import Done, Kept, Outcome
from executor.domain.step import StepContext
from executor.errors import Conflict, ExecutorError, Permanent, ReleaseAtFault, Transient
from executor.sandbox.places import Places
from executor.steps.deploy import release_of
from executor.steps.publish import MAIN, Publisher
from executor.steps.shared import RELEASED, repository_of
from executor.store.droplets import Droplets, ReleaseRow
from executor.targets.base import Running, Target
from executor.targets.choice import TargetChoice
from executor.targets.keeper import kept_release


@dataclass(frozen=True, slots=True)
class WithdrawRelease:
    """Runs for a rollback, for a rejected review and for a cancel after deploying."""

    git: Git
    repositories: Path
    places: Places
    targets: TargetChoice
    droplets: Droplets
    registry: Registry | None
    release_env: Mapping[str, str]
    publisher: Publisher | None = None

    async def run(self, context: StepContext) -> Outcome:
        """Put the newest earlier release back if there is one, then stop this build's."""
        build = context.build
        release_id = str(build.facts["deploying"])
        async with self.targets.named(build.target).held(build.droplet_name, build.id):
            try:
                back = await self._serving(context)
            except _CannotServe as error:
                return Kept(f"{error.message} Release {release_id} goes on serving.")
            await self._tell_registry(context, back)
            await self._publish(context, back)
            # Marked before it is stopped: what is still live by the book, but dead, would be started again.
            await self.droplets.withdraw(build.droplet_id, build.id, context.now())
            await self._stop(context, release_id, back)
        serves = (
            f"Release {back.id} serves at {back.url}." if back else "No release of this droplet runs now."
        )
        return Done(
            f"Release {release_id} is withdrawn. {serves}", {"deployment_url": back.url if back else None}
        )

    async def _serving(self, context: StepContext) -> ReleaseRow | None:
        """The release of another build that serves from now on, None if there is none."""
        build = context.build
        live = await self.droplets.live(build.droplet_id)
        if live is not None and live.build_id != build.id:
            return live
        releases = await self.droplets.releases(build.droplet_id)
        if all(row.build_id != build.id for row in releases):
            return None  # it was never switched to
        context.progress("putting the earlier release back")
        return await self._put_back(context, releases)

    async def _put_back(self, context: StepContext, releases: Sequence[ReleaseRow]) -> ReleaseRow | None:
        build = context.build
        wanted = build.facts.get("roll_back_to")
        for row in releases:
            if row.build_id == build.id or row.state == "withdrawn" or wanted not in {None, row.id}:
                continue
            try:
                running = await self._revived(row, build)
            except Transient:
                raise
            except (ExecutorError, OSError) as error:
                context.log(f"Release {row.id} cannot serve again: {error}", "error")
                if wanted:
                    raise _CannotServe(f"Release {row.id} cannot serve again: {error}") from error
                continue
            live = switched(row, running, context.now())
            await self.droplets.switch(build.droplet_name, live)
            await self.git.set_ref(repository_of(self.repositories, build), RELEASED, row.commit_hash)
            return live
        return None

    async def _revived(self, row: ReleaseRow, build: Build) -> Running:
        target = self.targets.named(row.target)
        if target is self.targets.named(build.target):
            return await self._serves_again(target, row, build.droplet_name)
        async with target.held(build.droplet_name, build.id):
            return await self._serves_again(target, row, build.droplet_name)

    async def _serves_again(self, target: Target, row: ReleaseRow, droplet_name: str) -> Running:
        release = kept_release(row, droplet_name, self.places, self.release_env)
        running = await target.start(release)
        try:
            await target.prove(running, release)
            await target.switch(running, release)
        except ReleaseAtFault:
            await target.stop(running.handle)
            raise
        return running

    async def _stop(self, context: StepContext, release_id: str, back: ReleaseRow | None) -> None:
        """Stop every release of this build, also one that was started and never switched to."""
        build = context.build
        started = replace(release_of(build, Path(), self.release_env), id=release_id)
        target = self.targets.named(build.target)
        if found := await target.find(started):
            await target.stop(found.handle)
        for row in await self.droplets.releases(build.droplet_id):
            if row.build_id == build.id:
                await self._stop_there(target, row, build)
        if back is None or self.targets.named(back.target) is not target:
            await target.retire(build.droplet_name)
        context.log(f"Release {release_id} is stopped.")

    async def _stop_there(self, held: Target, row: ReleaseRow, build: Build) -> None:
        """Stop a release of this build where it ran, under that target's lock."""
        target = self.targets.named(row.target)
        if target is held:
            await target.stop(row.handle)
            return
        async with target.held(build.droplet_name, build.id):
            await target.stop(row.handle)

    async def _tell_registry(self, context: StepContext, back: ReleaseRow | None) -> None:
        build = context.build
        if self.registry is None or not build.facts.get("registered"):
            return
        try:
            await self._tell(context, self.registry, back)
        except Conflict as error:
            whose = self.registry.ways.title
            context.log(f"The entry in {whose} is not ours any more and stays: {error}", "warning")

    async def _publish(self, context: StepContext, back: ReleaseRow | None) -> None:
        """GitHub's main is what is live; a refusal there keeps no release from being taken back."""
        if self.publisher is None or back is None:
            return
        try:
            await self.publisher.push(context, back.commit_hash, MAIN)
        except (Conflict, Permanent) as error:
            context.log(
                f"The main branch on GitHub stays at the release that was withdrawn: {error}", "warning"
            )

    async def _tell(self, context: StepContext, registry: Registry, back: ReleaseRow | None) -> None:
        build = context.build
        if back is None:
            if await registry.deregister(build.droplet_id, build.droplet_name) and registry.ways.stays:
                context.log(f"This is {registry.ways.title}. {registry.ways.stays}", "warning")
            return
        told = await capabilities_of(back.url)
        await registry.register(
            RegistryEntry(
                id=build.droplet_id,
                name=build.droplet_name,
                endpoint=back.url,
                build_id=back.build_id,
                release=back.id,
                metadata={**told.metadata, "version": back.version, "commit": back.commit_hash},
            )
        )


class _CannotServe(Permanent):
    """The one release that a person named cannot take over."""


def switched(row: ReleaseRow, running: Running, now: float) -> ReleaseRow:
    """The same release, live at where it runs now."""
    return replace(row, url=running.url, handle=running.handle, state="live", updated_at=now)
