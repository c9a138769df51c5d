"""The author of the hidden acceptance tests: a conversation of its own that sees only the SPEC."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from executor.agent.acceptance_form import ReviewForm, TestsForm
from executor.agent.acceptance_review import decided, failures_text
from executor.agent.acceptance_usable import numbered, with_more
from executor.agent.access import ModelAccess
from executor.agent.conversation import Conversation
from executor.agent.prompts import prompt
from executor.domain.acceptance import AcceptanceSet, ScenarioResult
from executor.domain.acceptance_reader import read_set
from executor.domain.outcome import Artifact
from executor.domain.step import StepContext
from executor.errors import Permanent

KIND = "acceptance"
"""The artifact's kind. The web API serves none of it, and it is never in a workspace."""


@dataclass(frozen=True, slots=True)
class AcceptanceAuthor:
    """Writes the tests once for each SPEC, and reads those that failed once more against it.

    Every method raises as Conversation.ask does.
    """

    access: ModelAccess

    async def tests(self, context: StepContext) -> AcceptanceSet:
        """The tests of the build's newest SPEC, from the store or written now.

        Raises Permanent with code ACCEPTANCE_UNUSABLE when no scenario can be carried out.
        """
        spec = await context.artifact("spec") or ""
        digest = hashlib.sha256(spec.encode()).hexdigest()
        tests = await self._stored(context)
        if tests is None or tests.spec_sha256 != digest:
            tests = await self._begun(context, AcceptanceSet(digest, (), ()), spec)
        if not tests.whole:
            tests = await self._completed(context, tests, spec)
        return tests

    async def review(
        self, context: StepContext, tests: AcceptanceSet, missed: Iterable[ScenarioResult]
    ) -> AcceptanceSet:
        """The tests after their author has read those that failed for the first time again; one call."""
        asked = tuple(r for r in missed if not r.scenario.reviewed and r.miss and r.miss.answered)
        if not asked:
            return tests
        context.progress("asking the author of the hidden tests to read those that failed again")
        talk = await self._open(context, tests.spec_sha256, ReviewForm)
        if len(talk.messages) <= tests.heard:
            await talk.say(prompt("acceptance_review", failures=failures_text(asked)))
        form = await talk.parsed(ReviewForm)
        spec = await context.artifact("spec") or ""
        now, amendments = decided(form, tests, {r.scenario.key for r in asked}, spec)
        after = replace(tests.reviewed(amendments, now), heard=len(talk.messages))
        counts = {kind: sum(a.kind == kind for a in amendments) for kind in ("withdrawn", "corrected")}
        await _store(
            context,
            after,
            "acceptance_reviewed",
            f"Of {len(asked)} hidden tests that failed, {counts['withdrawn']} were withdrawn"
            f" and {counts['corrected']} corrected by their author.",
        )
        return after

    async def _begun(self, context: StepContext, tests: AcceptanceSet, spec: str) -> AcceptanceSet:
        context.progress("having hidden acceptance tests written from the SPEC")
        talk = await self._open(context, tests.spec_sha256, TestsForm)
        if talk.is_empty:
            await talk.say(prompt("acceptance_start", spec=spec))
        tests = with_more(tests, await talk.parsed(TestsForm))
        tests = replace(tests, heard=len(talk.messages), whole=not _gaps(tests, spec) and not tests.unusable)
        await _store(context, tests, "acceptance_written", _written(tests))
        return tests

    async def _completed(self, context: StepContext, tests: AcceptanceSet, spec: str) -> AcceptanceSet:
        """Ask once for what is missing; what is missing then is said in the report."""
        context.progress("having the missing acceptance tests written")
        talk = await self._open(context, tests.spec_sha256, TestsForm)
        if len(talk.messages) <= tests.heard:
            untested, unusable = ", ".join(_gaps(tests, spec)) or "none", "\n".join(tests.unusable) or "none"
            await talk.say(prompt("acceptance_more", untested=untested, unusable=unusable))
        more = with_more(replace(tests, unusable=()), await talk.parsed(TestsForm))
        more = replace(more, heard=len(talk.messages), whole=bool(more.scenarios))
        await _store(context, more, "acceptance_written", _written(more))
        if not more.whole:
            raise Permanent(
                "None of the acceptance tests that the model wrote can be carried out; nothing is verified.",
                hint=f"`fpai retry {context.build.id}` asks again; perhaps set a stronger [model] model.",
                code="ACCEPTANCE_UNUSABLE",
            )
        return more

    async def _open(
        self, context: StepContext, digest: str, output: type[TestsForm] | type[ReviewForm]
    ) -> Conversation:
        """The one conversation about this SPEC; another SPEC is spoken of in another."""
        name = f"{KIND}-{digest[:12]}"
        return await self.access.open(context, name, system=prompt("acceptance"), output=output)

    async def _stored(self, context: StepContext) -> AcceptanceSet | None:
        body = await context.artifact(KIND)
        return read_set(body) if body else None


def _gaps(tests: AcceptanceSet, spec: str) -> list[str]:
    """Ids of requirements that no scenario shows: those of the SPEC and those that the author listed."""
    shown = {scenario.requirement for scenario in tests.scenarios}
    wanted = dict.fromkeys((*numbered(spec), *(r.id for r in tests.requirements)))
    gaps = [name for name in wanted if name not in shown]
    return gaps if tests.scenarios or gaps else ["all of the SPEC"]


def _written(tests: AcceptanceSet) -> str:
    return f"{len(tests.scenarios)} hidden acceptance tests show {len(tests.requirements)} requirements."


async def _store(context: StepContext, tests: AcceptanceSet, event: str, message: str) -> None:
    """Keep a version of the tests. The event that people see tells how many there are, not what they ask."""
    data = {
        "scenarios": len(tests.scenarios),
        "requirements": len(tests.requirements),
        "amendments": len(tests.amendments),
        "unusable": len(tests.unusable),
    }
    artifact = Artifact(KIND, tests.as_json(), {"spec_sha256": tests.spec_sha256, **data})
    await context.record(event, message, data=data, artifacts=(artifact,))
