"""Step 6, Deployer: the new release beside the old one, proven before the old one makes room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from executor.adapters.git import Git
from executor.domain.build import BUILD_STEP, Build
from executor.domain.outcome import Done, Outcome, Repair
from executor.domain.step import StepContext
from executor.errors import Conflict, Permanent, ReleaseAtFault, Transient
from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places
from executor.steps.hooks import DeployHooks
from executor.steps.shared import RELEASED, repository_of
from executor.store.droplets import Droplets, ReleaseRow
from executor.targets.base import Release, Running, Target
from executor.targets.choice import TargetChoice

_FEEDBACK_LINES = 60


@dataclass(frozen=True, slots=True)
class DeployStep:
    """`keep` earlier releases stay where they ran, so that a rollback needs no build."""

    git: Git
    repositories: Path
    places: Places
    targets: TargetChoice
    droplets: Droplets
    release_env: Mapping[str, str]
    keep: int
    hooks: DeployHooks = field(default_factory=DeployHooks)
    number: int = 6

    async def run(self, context: StepContext) -> Outcome:
        """Start, prove, switch, stop the old one. A release at fault goes back to step 4 with its log."""
        build = context.build
        target = self.targets.named(build.target)
        release_id = release_id_of(build)
        before = await self.droplets.live(build.droplet_id)
        earlier = before if before is not None and before.id != release_id else None
        _refuse_moved_base(build, before)
        if build.facts.get("deploying") != release_id:
            await self._discard_abandoned(context, target, earlier)
            facts = {"deploying": release_id, "earlier_release": earlier.id if earlier else None}
            await context.record("release_starting", f"Release {release_id} is being started.", facts)
        source = self.places.scratch("release")
        try:
            await self.git.checkout(
                repository_of(self.repositories, build), str(build.facts["commit"]), source
            )
            release = release_of(build, source, self.release_env)
            await self.hooks.before(context, release, target.name)
            async with target.held(build.droplet_name, build.id):
                try:
                    running = await self._serving(context, target, release)
                except ReleaseAtFault as error:
                    return await self._at_fault(context, target, error, before)
                await self._noted_live(context, target, release, running)
                await self._retire(context, target, release_id)
        finally:
            await remove_tree(source)
        await self.hooks.after(context, release, target.name, running.url)
        return Done(
            f"Release {release_id} is live at {running.url}.",
            {"release": release_id, "deployment_url": running.url, "deployed_at": context.now()},
        )

    async def _discard_abandoned(
        self, context: StepContext, target: Target, earlier: ReleaseRow | None
    ) -> None:
        """End what this build started from another commit and never switched to: nobody else knows of it."""
        build, abandoned = context.build, context.build.facts.get("deploying")
        known = {row.id for row in await self.droplets.releases(build.droplet_id)}
        if not abandoned or abandoned in known:
            return
        release = replace(release_of(build, Path(), self.release_env), id=str(abandoned))
        async with target.held(build.droplet_name, build.id):
            await target.discard(release, _handle_here(earlier, target))
        context.log(f"Release {abandoned}, which was started and never served, is ended.")

    async def _serving(self, context: StepContext, target: Target, release: Release) -> Running:
        """Prepare, start beside the old one, prove, and give it the traffic."""
        context.progress("preparing the release", 0.1)
        await target.prepare(release, context)
        context.progress("starting the release in its walls", 0.3)
        running = await self._started(context, target, release)
        context.progress("proving that this release answers", 0.5)
        await target.prove(running, release)
        context.progress("switching to the new release", 0.7)
        await self._switched(context, target, release, running)
        return running

    async def _started(self, context: StepContext, target: Target, release: Release) -> Running:
        async def probe() -> Mapping[str, Any] | None:
            found = await target.find(release)
            return _noted(found) if found else None

        async def act() -> Mapping[str, Any]:
            return _noted(await target.start(release))

        noted = await context.effect(f"start/{release.id}/{context.build.attempt}", probe=probe, act=act)
        running = Running(release.id, str(noted["url"]), noted["handle"])
        if not await target.alive(running.handle):
            # Known to have been started, yet gone: the machine was restarted, or it crashed; prove will tell.
            return await target.start(release)
        return running

    async def _switched(
        self, context: StepContext, target: Target, release: Release, running: Running
    ) -> None:
        async def probe() -> Mapping[str, Any] | None:
            return None  # switching to what is switched to already changes nothing

        async def act() -> Mapping[str, Any]:
            await target.switch(running, release)
            return {}

        await context.effect(f"switch/{release.id}/{context.build.attempt}", probe=probe, act=act)

    async def _noted_live(
        self, context: StepContext, target: Target, release: Release, running: Running
    ) -> None:
        build = context.build
        now = context.now()
        row = ReleaseRow(
            id=release.id,
            droplet_id=build.droplet_id,
            build_id=build.id,
            version=release.version,
            commit_hash=release.commit,
            target=target.name,
            url=running.url,
            handle=running.handle,
            state="live",
            created_at=now,
            updated_at=now,
        )
        await self.droplets.switch(build.droplet_name, row)
        await self.git.set_ref(repository_of(self.repositories, build), RELEASED, release.commit)
        context.log(f"Release {release.id} answers at {running.url} and is live now.")

    async def _retire(self, context: StepContext, target: Target, release_id: str) -> None:
        build = context.build
        releases = await self.droplets.releases(build.droplet_id)
        for row in releases:
            if row.id != release_id:
                await self._stopped(context, target, row)
        kept = [row.id for row in releases if row.state != "withdrawn"][: self.keep + 1]
        await target.prune(build.droplet_name, frozenset({release_id, *kept}))

    async def _stopped(self, context: StepContext, target: Target, row: ReleaseRow) -> None:
        """Stop an earlier release; one that ran elsewhere is stopped there, and its address let go of."""
        if row.target == target.name:
            if await target.alive(row.handle):
                context.progress("stopping the earlier release", 0.9)
                await target.stop(row.handle)
                context.log(f"Release {row.id} is stopped; it is kept for a rollback.")
            return
        build = context.build
        try:
            elsewhere = self.targets.named(row.target)
            if await elsewhere.alive(row.handle):
                async with elsewhere.held(build.droplet_name, build.id):
                    await elsewhere.stop(row.handle)
                    await elsewhere.retire(build.droplet_name)
                context.log(f"Release {row.id} is stopped on target {row.target}.")
        except (Permanent, Transient) as error:
            # The new release is live; a host that is gone for good must not keep the build from ending.
            context.log(f"Release {row.id} may still run on target {row.target}: {error}", "warning")

    async def _at_fault(
        self, context: StepContext, target: Target, error: ReleaseAtFault, before: ReleaseRow | None
    ) -> Outcome:
        """Traffic belongs to the earlier release, which has been running all along.

        Unless this one had been switched to when a kill or an outage cut the step off: then the build goes on
        having a deployment, so that a cancel or a rollback lets the earlier one serve again.
        """
        build = context.build
        release = release_of(build, Path(), self.release_env)
        was_live = before is not None and before.id == release.id
        earlier = None if was_live else before
        await target.discard(release, _handle_here(earlier, target))
        kept = [row.id for row in await self.droplets.releases(build.droplet_id)]
        await target.prune(build.droplet_name, frozenset(kept))
        runs = (
            f"Release {earlier.id} goes on serving at {earlier.url}."
            if earlier
            else "It had been switched to already, and nothing else runs."
            if was_live
            else "Nothing else was running."
        )
        context.log(f"{error.message}\n{error.log}", "error")
        log = "\n".join(error.log.splitlines()[-_FEEDBACK_LINES:])
        facts = {} if was_live else {"deploying": None}
        await context.record("release_refused", f"{error.message} {runs}", facts)
        return Repair(f"{error.message} {runs}", f"{error.message}\n{log}", BUILD_STEP)


def _handle_here(earlier: ReleaseRow | None, target: Target) -> Mapping[str, str] | None:
    return earlier.handle if earlier is not None and earlier.target == target.name else None


def _refuse_moved_base(build: Build, live: ReleaseRow | None) -> None:
    """A build replaces the release it was made from; another one's resources would be lost, or come back."""
    base, now = build.facts.get("base_commit"), live.commit_hash if live else None
    if base == now or (live is not None and live.build_id == build.id):
        return
    serves = f"release {live.id} serves now" if live else "that release was withdrawn meanwhile"
    raise Conflict(
        f"This build was made from {f'commit {base[:10]}' if base else 'nothing'}, and {serves};"
        " nothing was deployed.",
        hint=f"`fpai retry {build.id} --from 1` builds it on what serves now.",
        code="BASE_MOVED",
    )


def release_id_of(build: Build) -> str:
    """One name for one commit of one build; it is what the release's health has to report."""
    return f"{build.id}-{str(build.facts['commit'])[:8]}"


def release_of(build: Build, source: Path, env: Mapping[str, str]) -> Release:
    """What is shipped for this build."""
    return Release(
        id=release_id_of(build),
        build_id=build.id,
        droplet_id=build.droplet_id,
        droplet_name=build.droplet_name,
        version=str(build.facts["version"]),
        commit=str(build.facts["commit"]),
        source=source,
        requirements=source / "requirements.txt",
        env=dict(env),
    )


def _noted(running: Running) -> dict[str, Any]:
    return {"url": running.url, "handle": dict(running.handle)}
