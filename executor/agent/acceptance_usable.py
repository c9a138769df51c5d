"""From what the author of the hidden tests wrote to scenarios that can be carried out."""

from __future__ import annotations

import re
from dataclasses import replace

from executor.agent.acceptance_form import ScenarioForm, TestsForm
from executor.domain.acceptance import AcceptanceSet, Scenario
from executor.domain.acceptance_reader import read_requirement, read_scenario
from executor.errors import Invalid

MOST_SCENARIOS, MOST_CALLS, MOST_FRESH, MOST_WAITING = 80, 600, 10, 30.0
# Every part is bounded: free repeats of repeats would read a table's rule of dashes for ever.
_NUMBERED = re.compile(r"^ {0,3}(?:[>*#|-]{1,6} ?){0,3}(R[0-9]{1,3})\b", re.MULTILINE)


def numbered(spec: str) -> tuple[str, ...]:
    """The numbers of the SPEC's requirements, R1, R2 …, each once, as they stand at the start of a line."""
    return tuple(dict.fromkeys(_NUMBERED.findall(spec)))


def with_more(tests: AcceptanceSet, form: TestsForm) -> AcceptanceSet:
    """The set with what `form` adds; what cannot be carried out is told in `unusable`."""
    requirements = {r.id: r for r in tests.requirements}
    for listed in form.requirements:
        requirement = read_requirement(listed.model_dump())
        requirements.setdefault(requirement.id, requirement)
    tests = replace(tests, requirements=tuple(requirements.values()))
    for written in form.scenarios:
        tests = _added(tests, written)
    return tests


def _added(tests: AcceptanceSet, written: ScenarioForm) -> AcceptanceSet:
    try:
        scenario = read_scenario(written.plain(), f"S{len(tests.scenarios) + 1}")
        if all(scenario.requirement != r.id for r in tests.requirements):
            raise Invalid(f"the requirement {scenario.requirement!r} is not listed")
        _refuse_excess((*tests.scenarios, scenario))
    except Invalid as error:
        note = f"{written.requirement[:40]} {written.title[:100]!r}: {error.message}"
        return replace(tests, unusable=(*tests.unusable, note))
    return replace(tests, scenarios=(*tests.scenarios, scenario))


def _refuse_excess(scenarios: tuple[Scenario, ...]) -> None:
    calls = [call for scenario in scenarios for call in scenario.calls]
    for count, most, what in (
        (len(scenarios), MOST_SCENARIOS, "scenarios"),
        (len(calls), MOST_CALLS, "calls in all"),
        (sum(s.fresh for s in scenarios), MOST_FRESH, "scenarios with a service of their own"),
        (sum(call.wait for call in calls), MOST_WAITING, "seconds of waiting"),
    ):
        if count > most:
            raise Invalid(f"there are more than {most:g} {what}")
