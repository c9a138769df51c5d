"""Step 4, Apprentice Build, with a model: the SPEC becomes code that the executor has judged."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executor.adapters.git import Git
from executor.agent.access import ModelAccess
from executor.agent.apprentice import Apprentice, Workshop
from executor.agent.briefing import Order
from executor.agent.prompts import prompt
from executor.agent.snapshots import Snapshots
from executor.agent.toolbox import REQUIREMENTS, WorkspaceTools
from executor.checks.dependencies import check_packages, foreign_packages, template_packages
from executor.domain.findings import Depth, Result, VerifierReport
from executor.domain.outcome import Artifact, Done, Outcome
from executor.domain.spec_endpoints import endpoints_of
from executor.domain.step import StepContext
from executor.errors import NotFound, Permanent
from executor.sandbox.base import Limits, Sandbox
from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places
from executor.sandbox.venv import VenvCache
from executor.steps.packages import PackagesWanted, approved_packages, question, refuse_unasked, settle
from executor.steps.publish import Publisher
from executor.steps.shared import identity_of, instant_of, ref_of, repository_of
from executor.steps.spec import SPEC_FILE
from executor.steps.verify import Verifies


@dataclass(frozen=True, slots=True)
class ApprenticeBuildStep:
    """A conversation writes, the executor judges. `packages` may be used beside those of the template."""

    git: Git
    repositories: Path
    places: Places
    sandbox: Sandbox
    venvs: VenvCache
    limits: Limits
    access: ModelAccess
    verifier: Verifies
    packages: frozenset[str]
    max_iterations: int
    publisher: Publisher | None = None
    number: int = 4

    async def run(self, context: StepContext) -> Outcome:
        """Build until a round is green and finished. Raises Transient while the model's service is away."""
        build = context.build
        spec = await context.artifact("spec")
        package = build.facts.get("package_commit")
        if spec is None or not package:
            raise Permanent("There is no package to build on.", hint=f"`fpai retry {build.id} --from 2`.")
        snapshots = self._snapshots(context, str(package))
        order = await self._order(context, spec, snapshots)
        workshop = Workshop(
            access=self.access,
            snapshots=snapshots,
            tools=self._tools(context, snapshots),
            judge=lambda commit: self._judge(context, commit),
            done=lambda commit: self._done(context, commit),
            diff=lambda commit: self.git.diff(snapshots.repository, str(package), commit),
        )
        await settle(context)
        try:
            return await Apprentice(context, workshop, order).build()
        except PackagesWanted as wanted:
            return await question(context, wanted)

    def _snapshots(self, context: StepContext, package: str) -> Snapshots:
        build = context.build
        return Snapshots(
            self.git,
            repository_of(self.repositories, build),
            self.places,
            build.id,
            package,
            instant_of(build),
        )

    def _tools(self, context: StepContext, snapshots: Snapshots) -> WorkspaceTools:
        return WorkspaceTools(
            sandbox=self.sandbox,
            venvs=self.venvs,
            workspace=lambda: snapshots.workspace,
            limits=self.limits,
            owner=self.places.sandbox_uid,
            refused=lambda requirements: self._refused(context, requirements),
        )

    def _refused(self, context: StepContext, requirements: str) -> str:
        """What stands against installing these, empty if nothing does."""
        found = check_packages(requirements, self.packages | approved_packages(context.build))
        return found.evidence if found.result is Result.FAIL else ""

    async def _order(self, context: StepContext, spec: str, snapshots: Snapshots) -> Order:
        files = await self.git.files(snapshots.repository, snapshots.package)
        return Order(
            identity=identity_of(context.build),
            spec=spec,
            files=files,
            packages=sorted(template_packages() | self.packages),
            max_iterations=self.max_iterations,
            earlier=await self._earlier(context, spec, snapshots.repository),
        )

    async def _earlier(self, context: StepContext, spec: str, repository: Path) -> str:
        """What a new release is told: the repository holds the one before, and what the SPEC said then."""
        build = context.build
        base = build.facts.get("base_commit")
        if not base:
            return ""
        try:
            before = await self.git.show(repository, str(base), SPEC_FILE)
        except NotFound:
            before = ""
        return prompt(
            "apprentice_release",
            version=str(build.facts["version"]),
            intent=build.intent,
            changes=_changes(before, spec),
        )

    async def _judge(self, context: StepContext, commit: str) -> VerifierReport:
        """One round: the Verifier's own rules on a clean checkout, without the last and costly ones."""
        build = context.build

        def notify(action: str, details: Mapping[str, Any]) -> None:
            context.progress(action, **details)

        source = self.places.scratch("round")
        try:
            await self.git.checkout(repository_of(self.repositories, build), commit, source)
            refuse_unasked(build, await asyncio.to_thread(self._foreign, source))
            return await self.verifier.verify(
                source=source,
                commit=commit,
                identity=identity_of(build),
                notify=notify,
                depth=Depth.ROUND,
                approved=approved_packages(build),
            )
        finally:
            await remove_tree(source)

    def _foreign(self, source: Path) -> tuple[str, ...]:
        requirements = source / REQUIREMENTS
        if requirements.is_symlink() or not requirements.is_file():
            return ()  # the Verifier says so
        return foreign_packages(requirements.read_text("utf-8", "replace"), self.packages)

    async def _done(self, context: StepContext, commit: str) -> Outcome:
        build = context.build
        repository = repository_of(self.repositories, build)
        await self.git.set_ref(repository, ref_of(build, "built"), commit)
        if self.publisher is not None:
            await self.publisher.push(context, commit)
        diff = await self.git.diff(repository, build.facts.get("base_commit"), commit)
        files = await self.git.files(repository, commit)
        facts = build.facts
        rounds, turns = int(facts.get("ai_iterations", 0)), int(facts.get("turns", 0))
        message = (
            f"Built at {commit[:10]} in {rounds} iteration{'s' * (rounds != 1)} and {turns} turns:"
            f" {facts.get('tests_passing', 0)} tests pass."
        )
        context.log(message)
        meta = {"commit": commit, "base": build.facts.get("base_commit")}
        made = {
            "commit": commit,
            "files_created": len(files),
            "endpoints": list(endpoints_of(await context.artifact("spec") or "")),
        }
        return Done(message, made, (Artifact("diff", diff, meta),))


def _changes(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "now", lineterm="", n=1)
    return "\n".join(lines) or "The SPEC has not changed."
