"""The hidden tests' results as findings: the requirement and what was observed, never the test."""

from __future__ import annotations

from collections.abc import Sequence

from executor.checks.rules import judged, noted
from executor.domain.acceptance import AcceptanceRun, AcceptanceSet, Miss, Requirement
from executor.domain.findings import Finding

_MOST_MISSES = 3


def as_findings(tests: AcceptanceSet, run: AcceptanceRun) -> tuple[Finding, ...]:
    """A1, A2 … for the requirements in order; notes for what was taken back, corrected or never run."""
    if run.problem:
        return (judged("A0", "The service starts for the acceptance tests", [run.problem]), *_notes(tests))
    numbered = enumerate(tests.requirements, 1)
    return (*(_finding(f"A{n}", r, run) for n, r in numbered), *_notes(tests))


def _finding(rule: str, requirement: Requirement, run: AcceptanceRun) -> Finding:
    results = [r for r in run.results if r.scenario.requirement == requirement.id]
    title = f"{requirement.id}: {requirement.text}"
    if not results:
        return noted(rule, title, "No hidden test shows this requirement.")
    problems = _distinct([_told(r.miss) for r in results if r.miss])
    return judged(rule, title, problems[:_MOST_MISSES], f"{len(results)} hidden tests hold")


def _told(miss: Miss) -> str:
    before = f" after {'; '.join(miss.before)}" if miss.before else ""
    return f"Sent {miss.sent}{before}. Observed: {miss.observed}. That is not what the requirement says."


def _distinct(words: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _notes(tests: AcceptanceSet) -> tuple[Finding, ...]:
    amended = [
        noted(f"A{n}*", f"A hidden test of {a.requirement} was {a.kind} by its author", a.reason)
        for n, a in enumerate(tests.amendments, 1)
    ]
    if tests.unusable:
        amended.append(noted("A**", "Hidden tests that cannot be carried out", "; ".join(tests.unusable)))
    return tuple(amended)
