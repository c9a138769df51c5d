"""Step 3, Coordinator Package: the droplet's repository with a skeleton that keeps the contract by itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from executor.adapters.git import Git
from executor.agent.skeleton import lay_skeleton
from executor.agent.template import write_file
from executor.domain.outcome import Done, Outcome
from executor.domain.step import StepContext
from executor.errors import Permanent
from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places
from executor.steps.publish import Publisher
from executor.steps.shared import identity_of, instant_of, ref_of, repository_of
from executor.steps.spec import SPEC_FILE
from executor.unbroken import unbroken


@dataclass(frozen=True, slots=True)
class PackageStep:
    """Every run starts from the released commit (or nothing) and ends at the same commit hash.

    `keeps_edits` is for repositories that a model writes in: what it changed of the skeleton stays changed.
    """

    git: Git
    repositories: Path
    places: Places
    keeps_edits: bool = False
    publisher: Publisher | None = None
    number: int = 3

    async def run(self, context: StepContext) -> Outcome:
        """Lay out the workspace, write the SPEC into it, commit."""
        build = context.build
        spec = await context.artifact("spec")
        if spec is None:
            raise Permanent("There is no SPEC to package.", hint=f"`fpai retry {build.id} --from 2`.")
        repository = repository_of(self.repositories, build)
        base = build.facts.get("base_commit")
        context.progress("laying out the repository")
        await self.git.init_bare(repository)
        scratch = self.places.scratch("package")
        try:
            if base:
                await self.git.checkout(repository, str(base), scratch)
            created = instant_of(build).date().isoformat()
            files, kept = await unbroken(
                asyncio.to_thread(
                    lay_skeleton,
                    identity_of(build),
                    created=created,
                    into=scratch,
                    keep_edits=self.keeps_edits,
                )
            )
            await unbroken(asyncio.to_thread(write_file, scratch, SPEC_FILE, spec))
            commit = await self.git.commit(
                repository,
                scratch,
                f"Coordinator package of {build.droplet_name} {build.facts['version']}",
                when=instant_of(build),
                parent=str(base) if base else None,
            )
        finally:
            await remove_tree(scratch)
        await self.git.set_ref(repository, ref_of(build, "package"), commit)
        context.log(f"Package of {len(files) + 1} files committed as {commit[:10]}.")
        if kept:
            context.log(f"Kept as they were edited in earlier releases: {', '.join(kept)}.")
        facts = {
            "package_commit": commit,
            "files_created": len(files) + 1,
            "repository_path": str(repository),
        }
        if self.publisher is not None:
            remote = await self.publisher.repository(context)
            await context.record("repository_ready", f"Repository {remote['repository_url']}.", remote)
            await self.publisher.push(context, commit)
        return Done(f"Repository ready with {len(files) + 1} files at {commit[:10]}.", facts)
