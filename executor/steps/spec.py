"""Step 2, SPEC Generation: from the intent to a SPEC in the ecosystem's form, scored before it passes."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from executor.adapters.fp_tools import FpTools
from executor.adapters.git import Git
from executor.agent.questions import spent
from executor.agent.spec_author import HEARD, AuthoredSpec, SpecAuthor
from executor.agent.spec_author_words import SpecOrder
from executor.domain.build import ApprovalMode
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Finding
from executor.domain.outcome import Artifact, Ask, Done, Outcome
from executor.domain.spec import Resource, SpecScore
from executor.domain.spec_endpoints import endpoints_of
from executor.domain.spec_reader import read_resources
from executor.domain.spec_score import score_spec
from executor.domain.spec_writer import SpecRequest, write_spec
from executor.domain.step import StepContext
from executor.errors import BudgetSpent, Invalid, NotFound, Permanent
from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places
from executor.steps.shared import identity_of, repository_of

SPEC_FILE = "docs/SPEC.md"


class SpecOpinion(Protocol):
    """Somebody else who reads SPECs, as adapters.spec_verifier.SpecVerifier does."""

    async def opinion(self, spec: str) -> Finding:
        """Say what they think of it; their absence is an opinion too, never an error."""
        ...


@dataclass(frozen=True, slots=True)
class SpecStep:
    """The model writes where there is an `author`, else rules do; either starts from what fp-tools drafts."""

    git: Git
    repositories: Path
    places: Places
    fp_tools: FpTools | None
    min_score: float
    author: SpecAuthor | None = None
    second_opinion: SpecOpinion | None = None
    number: int = 2

    async def run(self, context: StepContext) -> Outcome:
        """Write and score, or ask what the intent leaves open.

        Raises Permanent when the SPEC does not reach `[spec] min_score`, Transient while the model's service
        is away.
        """
        if self.author is None:
            return await self._by_rule(context)
        try:
            written = await self.author.write(context, await self._order(context))
        except BudgetSpent as error:
            return spent(error)
        return written if isinstance(written, Ask) else await self._authored(context, written)

    async def _order(self, context: StepContext) -> SpecOrder:
        build = context.build
        is_under_way = HEARD in build.facts  # the author has the draft already
        return SpecOrder(
            identity=identity_of(build),
            intent=build.intent,
            min_score=self.min_score,
            asks=build.approval_mode is not ApprovalMode.AUTO,
            draft="" if is_under_way else await self._draft(context),
            earlier=await self._earlier(context),
        )

    async def _authored(self, context: StepContext, written: AuthoredSpec) -> Done:
        score, endpoints = written.score, endpoints_of(written.markdown)
        for line in written.removed:
            context.log(f"No longer served: {line}", "warning")
        meta = {
            "score": score.overall,
            "valid": score.valid,
            "fp_tools": self.fp_tools is not None,
            "model": written.model,
            "assumptions": len(written.assumptions),
            "opinion": await self._opinion(context, written.markdown),
        }
        facts = {**written.facts, "spec_score": score.overall, "resources": []}
        return Done(
            f"SPEC written by {written.model}, score {score.overall:g} of 100: {len(endpoints)} endpoints,"
            f" {len(written.assumptions)} assumptions.",
            facts,
            (Artifact("spec", written.markdown, meta),),
        )

    async def _by_rule(self, context: StepContext) -> Done:
        build = context.build
        draft = await self._draft(context)
        context.progress("writing the SPEC", 0.5)
        request = SpecRequest(
            identity=identity_of(build),
            intent=build.intent,
            previous_resources=await self._previous(context),
            feedback=await context.feedback(),
            draft=draft,
        )
        # A long intent takes longer to read than the event loop may stand still.
        spec, score = await asyncio.to_thread(_written, request)
        refuse_weak(score, self.min_score)
        resources = read_resources(spec)
        names = ", ".join(r.plural for r in resources) or "none"
        context.log(f"SPEC of {len(spec)} characters, score {score.overall:g}; resources: {names}.")
        meta = {
            "score": score.overall,
            "valid": score.valid,
            "fp_tools": bool(draft),
            "opinion": await self._opinion(context, spec),
        }
        facts = {"spec_score": score.overall, "resources": [r.plural for r in resources]}
        return Done(
            f"SPEC written, score {score.overall:g} of 100; it serves {names}.",
            facts,
            (Artifact("spec", spec, meta),),
        )

    async def _opinion(self, context: StepContext, spec: str) -> str:
        """What the ecosystem's spec-verifier says where one is configured; it decides nothing."""
        if self.second_opinion is None:
            return ""
        context.progress("asking the spec-verifier for its opinion", 0.9)
        said = await self.second_opinion.opinion(spec)
        context.log(f"NOTE  {said.rule} {said.title}: {said.evidence}")
        return said.evidence

    async def _draft(self, context: StepContext) -> str:
        if self.fp_tools is None:
            return ""
        context.progress("asking fp-tools for a draft", 0.1)
        directory = self.places.scratch("fp-tools")
        try:
            return await self.fp_tools.spec(context.build.droplet_id, context.build.intent, directory)
        finally:
            await remove_tree(directory)

    async def _earlier(self, context: StepContext) -> str:
        """The SPEC of the release that this one starts from; empty for the first and for one without."""
        base = context.build.facts.get("base_commit")
        if not base:
            return ""
        try:
            return await self.git.show(repository_of(self.repositories, context.build), str(base), SPEC_FILE)
        except NotFound:
            return ""

    async def _previous(self, context: StepContext) -> tuple[Resource, ...]:
        """The resources of the release that this one starts from; a release never drops what is served."""
        if not context.build.facts.get("base_commit"):
            return ()
        try:
            return read_resources(await self._earlier(context))
        except Invalid as error:
            name = context.build.droplet_name
            raise Permanent(
                f"The SPEC of the release of {name} that serves now was not written by rule, so rules cannot"
                " carry it on without dropping what is served.",
                hint="Set ANTHROPIC_API_KEY or [model] base_url, and retry.",
                code="NEEDS_MODEL",
            ) from error


def _written(request: SpecRequest) -> tuple[str, SpecScore]:
    spec = write_spec(request)
    return spec, score_spec(spec)


def refuse_weak(score: SpecScore, min_score: float) -> None:
    """Raise Permanent for a SPEC that has errors or fewer points than asked for."""
    if score.valid and score.overall >= min_score:
        return
    problems = "; ".join((*score.errors, *score.recommendations)) or "its sections are too short"
    raise Permanent(
        f"The SPEC has {score.overall:g} points and needs {min_score:g}: {problems}.",
        hint="Say more in the intent, or lower [spec] min_score.",
        code="SPEC_TOO_WEAK",
    )


def preview(intent: str, identity: DropletIdentity) -> dict[str, Any]:
    """The SPEC and its score for a dry run; nothing is stored."""
    spec, score = _written(SpecRequest(identity=identity, intent=intent))
    return {"spec": spec, "spec_score": score.overall, "spec_points": asdict(score)}
