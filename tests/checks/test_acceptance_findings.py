"""What the Apprentice and people learn of hidden tests: requirements and observations, never the tests."""

from __future__ import annotations

from dataclasses import replace

from executor.checks.acceptance_findings import as_findings
from executor.domain.acceptance import AcceptanceRun, Amendment, Miss, Requirement, ScenarioResult
from executor.domain.findings import Result
from tests.checks.acceptance_cases import call, check, scenario, set_of

SECRET = "only-the-author-knows"
GOOD = scenario(call("GET /a", check("/data", "equals", SECRET)), title=SECRET)
BAD = scenario(call("GET /b", check("/data", "equals", SECRET)), key="S2", requirement="R2", title=SECRET)
MISS = Miss(
    "GET /b", "status 500, body 'oh'", (f"json '/data' equals {SECRET!r}",), ("POST /b was answered",)
)
TESTS = set_of(GOOD, BAD)


def test_each_requirement_is_one_finding_in_the_specs_order():
    findings = as_findings(TESTS, AcceptanceRun((ScenarioResult(GOOD), ScenarioResult(BAD, MISS))))
    assert [(f.rule, f.result) for f in findings] == [("A1", Result.PASS), ("A2", Result.FAIL)]
    assert findings[1].title == "R2: what R2 says"
    for told in ("GET /b", "status 500", "oh", "POST /b was answered"):
        assert told in findings[1].evidence


def test_nothing_of_the_test_itself_is_told():
    findings = as_findings(TESTS, AcceptanceRun((ScenarioResult(GOOD), ScenarioResult(BAD, MISS))))
    assert SECRET not in "".join(f.title + f.evidence for f in findings)


def test_the_same_observation_is_told_once():
    twins = [ScenarioResult(replace(BAD, key=f"S{n}"), MISS) for n in range(3)]
    evidence = as_findings(TESTS, AcceptanceRun((ScenarioResult(GOOD), *twins)))[1].evidence
    assert evidence.count("Sent GET /b") == 1


def test_a_service_that_does_not_start_fails_one_rule():
    findings = as_findings(TESTS, AcceptanceRun(problem="it ended: boom"))
    assert [(f.rule, f.result) for f in findings] == [("A0", Result.FAIL)]
    assert "boom" in findings[0].evidence


def test_requirements_without_a_test_are_noted_and_fail_nothing():
    tests = replace(TESTS, requirements=(*TESTS.requirements, Requirement("R3", "be kind")))
    finding = as_findings(tests, AcceptanceRun((ScenarioResult(GOOD), ScenarioResult(BAD))))[2]
    assert (finding.rule, finding.result) == ("A3", Result.NOTE)
    assert "No hidden test" in finding.evidence


def test_what_was_amended_or_could_not_be_run_is_noted_with_its_reason():
    amended = Amendment("S9", "R2", "withdrawn", "the SPEC leaves the order open")
    tests = replace(TESTS, amendments=(amended,), unusable=("R7 'x': call 1: no status",))
    notes = as_findings(tests, AcceptanceRun((ScenarioResult(GOOD), ScenarioResult(BAD))))[2:]
    assert {f.result for f in notes} == {Result.NOTE}
    assert "R2" in notes[0].title and "withdrawn" in notes[0].title
    assert "order open" in notes[0].evidence and "no status" in notes[1].evidence
    rules = [f.rule for f in (*as_findings(TESTS, AcceptanceRun()), *notes)]
    assert len(rules) == len(set(rules))
