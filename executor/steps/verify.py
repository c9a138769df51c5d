"""Step 5, Verifier: a clean clone, a fresh venv, the walls, and one line for every rule."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from executor.adapters.git import Git
from executor.agent.questions import spent
from executor.domain.acceptance import AcceptanceSet
from executor.domain.build import BUILD_STEP
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Depth, VerifierReport
from executor.domain.outcome import Artifact, Done, Outcome, Repair
from executor.domain.step import StepContext
from executor.errors import BudgetSpent
from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places
from executor.steps.hidden_tests import NOT_SHOWN, HiddenTests
from executor.steps.packages import approved_packages
from executor.steps.shared import identity_of, repository_of

Notify = Callable[[str, Mapping[str, Any]], None]


class Verifies(Protocol):
    """What decides whether a commit passes."""

    async def verify(
        self,
        *,
        source: Path,
        commit: str,
        identity: DropletIdentity,
        notify: Notify,
        depth: Depth = Depth.FULL,
        approved: frozenset[str] = frozenset(),
    ) -> VerifierReport:
        """Check a clean checkout. Raises Transient or Permanent only for trouble not its own."""
        ...


@dataclass(frozen=True, slots=True)
class VerifyStep:
    """The executor's own verdict; nothing that the droplet prints can change it.

    `acceptance` is None where there is no model to write hidden tests.
    """

    git: Git
    repositories: Path
    places: Places
    verifier: Verifies
    acceptance: HiddenTests | None = None
    number: int = 5

    async def run(self, context: StepContext) -> Outcome:
        """Verify the commit of step 4; a failed rule sends the build back with the findings."""
        build = context.build
        source = self.places.scratch("verify")
        try:
            # Before the rest: while the model is away, nothing is verified for nothing.
            tests = await self.acceptance.written(context) if self.acceptance else None
            context.progress("cloning the commit")
            repository = repository_of(self.repositories, build)
            await self.git.checkout(repository, str(build.facts["commit"]), source)
            report = await self._judged(context, source, tests)
        except BudgetSpent as error:
            return spent(error)
        finally:
            await remove_tree(source)
        return _outcome(context, report)

    async def _judged(
        self, context: StepContext, source: Path, tests: AcceptanceSet | None
    ) -> VerifierReport:
        """Every rule, then the hidden tests: nobody is asked to read tests again for a broken droplet."""
        build = context.build

        def notify(action: str, details: Mapping[str, Any]) -> None:
            context.progress(action, **details)

        report = await self.verifier.verify(
            source=source,
            commit=str(build.facts["commit"]),
            identity=identity_of(build),
            notify=notify,
            approved=approved_packages(build),
        )
        if self.acceptance is None or tests is None or not report.passed:
            return report
        findings = await self.acceptance.judge(context, tests, source, identity_of(build))
        return replace(report, findings=(*report.findings, *findings))


def _outcome(context: StepContext, report: VerifierReport) -> Outcome:
    facts = {
        "tests_passing": report.tests_passing,
        "tests_failing": report.tests_failing,
        "rules_checked": len(report.findings),
        "rules_failed": [finding.rule for finding in report.failures],
        "not_shown": next((f.evidence for f in report.findings if f.rule == NOT_SHOWN), ""),
    }
    body = json.dumps(report.as_json(), ensure_ascii=False)
    artifact = Artifact("tests", body, {"passed": report.passed, "commit": report.commit})
    for finding in report.findings:
        level = "error" if finding.result == "fail" else "info"
        context.log(f"{finding.result.upper():5} {finding.rule:5} {finding.title} {finding.evidence}", level)
    if report.passed:
        return Done(
            f"Verified: {report.tests_passing} tests pass, {len(report.findings)} rules checked.",
            facts,
            (artifact,),
        )
    reason = f"{len(report.failures)} of {len(report.findings)} rules failed: " + ", ".join(
        finding.rule for finding in report.failures[:8]
    )
    feedback = "\n".join(f"{f.rule} {f.title}: {f.evidence}" for f in report.failures)
    return Repair(f"{reason}.", feedback, BUILD_STEP, facts, (artifact,))
