"""The hidden acceptance tests within step 5: written, carried out, and read again where they fail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from executor.agent.acceptance_author import AcceptanceAuthor
from executor.agent.acceptance_usable import numbered
from executor.checks.acceptance import Told
from executor.checks.acceptance_findings import as_findings
from executor.checks.rules import noted
from executor.domain.acceptance import AcceptanceRun, AcceptanceSet
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Finding
from executor.domain.step import StepContext

NOT_SHOWN = "A?"
"""The rule of the note that names what no hidden test shows."""


class CarriesOut(Protocol):
    """What asks the running service, as checks.acceptance.AcceptanceRunner does."""

    async def run(
        self, tests: AcceptanceSet, source: Path, identity: DropletIdentity, told: Told
    ) -> AcceptanceRun:
        """Carry out every scenario against the checkout at `source`."""
        ...


@dataclass(frozen=True, slots=True)
class HiddenTests:
    """Who writes the tests, and who carries them out. Raises what they raise."""

    author: AcceptanceAuthor
    runner: CarriesOut

    async def written(self, context: StepContext) -> AcceptanceSet:
        """The tests of the build's SPEC."""
        return await self.author.tests(context)

    async def judge(
        self, context: StepContext, tests: AcceptanceSet, source: Path, identity: DropletIdentity
    ) -> tuple[Finding, ...]:
        """A finding for each requirement. What fails for the first time is read again by its author first."""
        run = await self.runner.run(tests, source, identity, context.progress)
        after = await self.author.review(context, tests, run.missed)
        earlier = {scenario.key: scenario.calls for scenario in tests.scenarios}
        corrected = tuple(s for s in after.scenarios if s.calls != earlier[s.key])
        gone = frozenset(earlier) - {s.key for s in after.scenarios if s not in corrected}
        kept = run.without(gone)
        if corrected:
            again = await self.runner.run(
                replace(after, scenarios=corrected), source, identity, context.progress
            )
            kept = AcceptanceRun((*kept.results, *again.results), kept.problem or again.problem)
        spec = await context.artifact("spec") or ""
        return (*as_findings(after, kept), *_not_shown(spec, kept))


def _not_shown(spec: str, run: AcceptanceRun) -> tuple[Finding, ...]:
    """A note on the SPEC's requirements that rest on the droplet's own tests alone."""
    shown = {result.scenario.requirement for result in run.results}
    missing = [number for number in numbered(spec) if number not in shown]
    if not missing:
        return ()
    title = f"{len(missing)} requirements have no hidden test and rest on the droplet's own"
    return (noted(NOT_SHOWN, title, ", ".join(missing)),)
