"""Step 6, Deployer: the new release beside the old one, proven before the old one makes room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executor.adapters.git import Git
from executor.domain.build import BUILD_STEP, Build
from executor.domain.outcome import Done, Outcome, Repair
from executor.domain.step import StepContext
from executor.errors import Conflict, ReleaseAtFault
from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places
from executor.steps.shared import RELEASED, repository_of
from executor.store.droplets import Droplets, ReleaseRow
from executor.targets.base import Release, Running, Target

_FEEDBACK_LINES = 60


@dataclass(frozen=True, slots=True)
class DeployStep:
    """`keep` earlier releases stay on disk so that a rollback needs no build."""

    git: Git
    repositories: Path
    places: Places
    target: Target
    droplets: Droplets
    release_env: Mapping[str, str]
    keep: int
    number: int = 6

    async def run(self, context: StepContext) -> Outcome:
        """Start, prove, switch, stop the old one. A release at fault goes back to step 4 with its log."""
        build = context.build
        release_id = release_id_of(build)
        before = await self.droplets.live(build.droplet_id)
        earlier = before if before is not None and before.id != release_id else None
        _refuse_moved_base(build, before)
        if build.facts.get("deploying") != release_id:
            facts = {"deploying": release_id, "earlier_release": earlier.id if earlier else None}
            await context.record("release_starting", f"Release {release_id} is being started.", facts)
        source = self.places.scratch("release")
        try:
            await self.git.checkout(
                repository_of(self.repositories, build), str(build.facts["commit"]), source
            )
            release = release_of(build, source, self.release_env)
            running = await self._proven(context, release)
        except ReleaseAtFault as error:
            return await self._at_fault(context, error, earlier)
        finally:
            await remove_tree(source)
        await self._switch(context, release, running)
        await self._retire(context, release_id)
        return Done(
            f"Release {release_id} is live at {running.url}.",
            {"release": release_id, "deployment_url": running.url, "deployed_at": context.now()},
        )

    async def _proven(self, context: StepContext, release: Release) -> Running:
        context.progress("starting the release in its walls", 0.2)

        async def probe() -> Mapping[str, Any] | None:
            found = await self.target.find(release)
            return _noted(found) if found else None

        async def act() -> Mapping[str, Any]:
            return _noted(await self.target.start(release))

        noted = await context.effect(f"start/{release.id}/{context.build.attempt}", probe=probe, act=act)
        running = Running(release.id, str(noted["url"]), noted["handle"])
        if not await self.target.alive(running.handle):
            # Known to have been started, yet gone: the machine was restarted, or it crashed; prove will tell.
            running = await self.target.start(release)
        context.progress("proving that this release answers", 0.5)
        await self.target.prove(running, release)
        return running

    async def _switch(self, context: StepContext, release: Release, running: Running) -> None:
        context.progress("switching to the new release", 0.8)
        build = context.build
        now = context.now()
        row = ReleaseRow(
            id=release.id,
            droplet_id=build.droplet_id,
            build_id=build.id,
            version=release.version,
            commit_hash=release.commit,
            target=self.target.name,
            url=running.url,
            handle=running.handle,
            state="live",
            created_at=now,
            updated_at=now,
        )
        await self.droplets.switch(build.droplet_name, row)
        await self.git.set_ref(repository_of(self.repositories, build), RELEASED, release.commit)
        context.log(f"Release {release.id} answers at {running.url} and is live now.")

    async def _retire(self, context: StepContext, release_id: str) -> None:
        build = context.build
        releases = await self.droplets.releases(build.droplet_id)
        for row in releases:
            if row.id != release_id and await self.target.alive(row.handle):
                context.progress("stopping the earlier release", 0.9)
                await self.target.stop(row.handle)
                context.log(f"Release {row.id} is stopped; its files stay for a rollback.")
        kept = [row.id for row in releases if row.state != "withdrawn"][: self.keep + 1]
        await self.target.prune(build.droplet_name, frozenset({release_id, *kept}))

    async def _at_fault(
        self, context: StepContext, error: ReleaseAtFault, earlier: ReleaseRow | None
    ) -> Outcome:
        """Nothing was switched: the earlier release has been serving all along."""
        build = context.build
        release = release_of(build, Path(), self.release_env)
        if found := await self.target.find(release):
            await self.target.stop(found.handle)
        runs = (
            f"Release {earlier.id} goes on serving at {earlier.url}."
            if earlier
            else "Nothing else was running."
        )
        context.log(f"{error.message}\n{error.log}", "error")
        log = "\n".join(error.log.splitlines()[-_FEEDBACK_LINES:])
        await context.record("release_refused", f"{error.message} {runs}", {"deploying": None})
        return Repair(f"{error.message} {runs}", f"{error.message}\n{log}", BUILD_STEP)


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
