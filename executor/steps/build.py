"""Step 4, Apprentice Build: the SPEC becomes code in a workspace, and the code becomes a commit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from executor.adapters.git import Git
from executor.agent.scaffold import scaffold
from executor.domain.events import NewEvent
from executor.domain.outcome import Artifact, Done, Outcome
from executor.domain.spec_reader import read_resources
from executor.domain.step import StepContext
from executor.errors import Permanent
from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places
from executor.steps.publish import Publisher
from executor.steps.shared import identity_of, instant_of, ref_of, repository_of
from executor.unbroken import unbroken

NO_MODEL = "No model was used: the code follows from the SPEC's resources by rule (provider scaffold)."


@dataclass(frozen=True, slots=True)
class ScaffoldBuildStep:
    """The provider that needs no key: typed, validated, tested endpoints over SQLite storage, by rule."""

    git: Git
    repositories: Path
    places: Places
    publisher: Publisher | None = None
    number: int = 4

    async def run(self, context: StepContext) -> Outcome:
        """Write what follows from the SPEC by rule and commit it; the same SPEC gives the same commit."""
        build = context.build
        spec = await context.artifact("spec")
        package = build.facts.get("package_commit")
        if spec is None or not package:
            raise Permanent("There is no package to build on.", hint=f"`fpai retry {build.id} --from 2`.")
        repository = repository_of(self.repositories, build)
        context.progress("writing endpoints, storage and tests by rule")
        workspace = self.places.scratch("build")
        try:
            await self.git.checkout(repository, str(package), workspace)
            writing = asyncio.to_thread(scaffold, read_resources(spec), identity_of(build), workspace)
            made = await unbroken(writing)
            commit = await self.git.commit(
                repository,
                workspace,
                f"Endpoints of {build.droplet_name} {build.facts['version']} by rule, without a model",
                when=instant_of(build),
                parent=str(package),
            )
        finally:
            await remove_tree(workspace)
        await self.git.set_ref(repository, ref_of(build, "built"), commit)
        if self.publisher is not None:
            await self.publisher.push(context, commit)
        diff = await self.git.diff(repository, build.facts.get("base_commit"), commit)
        files = await self.git.files(repository, commit)
        context.log(f"{NO_MODEL} {len(made.files)} files written, commit {commit[:10]}.")
        for sentence in made.left_out:
            context.log(f"Left out: {sentence}", "warning")
        facts = {
            "provider": "scaffold",
            "commit": commit,
            "files_created": len(files),
            "ai_iterations": 0,
            "endpoints": list(made.endpoints),
            "left_out": list(made.left_out),
        }
        return Done(
            f"{len(made.files)} files written by rule at {commit[:10]}. {NO_MODEL}",
            facts,
            (Artifact("diff", diff, {"commit": commit, "base": build.facts.get("base_commit")}),),
            (NewEvent("code_written", NO_MODEL, {"left_out": list(made.left_out)}),),
        )
