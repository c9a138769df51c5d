"""What becomes of hidden tests that failed, once their author has read them against the SPEC again."""

from __future__ import annotations

import json
from collections.abc import Set
from dataclasses import replace

from executor.agent.acceptance_form import DecisionForm, ReviewForm
from executor.domain.acceptance import AcceptanceSet, Amendment, AmendmentKind, Scenario, ScenarioResult
from executor.domain.acceptance_reader import read_scenario
from executor.errors import Invalid

_MOST_SHOWN = 20


def failures_text(results: tuple[ScenarioResult, ...]) -> str:
    """The failed scenarios as JSON lines: nothing that a service answered can look like words of ours."""
    lines = [_line(result) for result in results[:_MOST_SHOWN]]
    if len(results) > _MOST_SHOWN:
        lines.append(f"({len(results) - _MOST_SHOWN} more failed; they are not asked about.)")
    return "\n".join(lines)


def _line(result: ScenarioResult) -> str:
    scenario, miss = result.scenario, result.miss
    record = {"key": scenario.key, "requirement": scenario.requirement, "title": scenario.title}
    if miss is None:
        return json.dumps(record)
    seen = {"before": miss.before, "sent": miss.sent, "not_held": miss.unmet, "observed": miss.observed}
    return json.dumps(record | seen).replace("<", "\\u003c")


def decided(
    form: ReviewForm, tests: AcceptanceSet, asked: Set[str], spec: str
) -> tuple[dict[str, Scenario | None], tuple[Amendment, ...]]:
    """Each scenario as it stands now, None where it is withdrawn, and what was amended.

    A scenario without a decision, or whose decision quotes what the SPEC does not say, is kept.
    """
    known = {s.key: s for s in tests.scenarios}
    decisions = {d.key: d for d in form.decisions if d.key in known and not known[d.key].reviewed}
    now: dict[str, Scenario | None] = {key: known[key] for key in {*asked, *decisions} if key in known}
    amendments = []
    for key, decision in decisions.items():
        if decision.decision != "keep" and _is_grounded(decision, spec):
            now[key] = _corrected(decision, known[key])
            kind: AmendmentKind = "withdrawn" if now[key] is None else "corrected"
            amendments.append(Amendment(key, known[key].requirement, kind, _reason(decision)))
    return now, tuple(amendments)


def _is_grounded(decision: DecisionForm, spec: str) -> bool:
    """Whether the quoted words are the SPEC's; only a withdrawal may rest on the SPEC's silence."""
    quote = " ".join(decision.quote.split())
    return quote in " ".join(spec.split()) if quote else decision.decision == "withdraw"


def _corrected(decision: DecisionForm, before: Scenario) -> Scenario | None:
    """The mended scenario, None for one that is withdrawn or that cannot be carried out even now."""
    if decision.decision != "correct" or not decision.corrected:
        return None
    try:
        mended = read_scenario(decision.corrected[0].plain(), before.key, reviewed=True)
    except Invalid:
        return None
    return replace(mended, requirement=before.requirement)


def _reason(decision: DecisionForm) -> str:
    return " ".join(decision.reason.split())[:300].encode("utf-8", "replace").decode()
