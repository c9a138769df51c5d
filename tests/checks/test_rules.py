"""Findings are short, and can be shown anywhere."""

from __future__ import annotations

from executor.checks.rules import judged, noted
from executor.domain.findings import Result


def test_no_problem_is_a_pass_with_its_evidence():
    finding = judged("U1", "It answers", [], "5 answers")
    assert (finding.result, finding.evidence) == (Result.PASS, "5 answers")


def test_the_first_five_problems_are_shown_and_the_rest_counted():
    finding = judged("U1", "It answers", [f"p{n}" for n in range(8)])
    assert finding.result is Result.FAIL
    assert finding.evidence == "p0; p1; p2; p3; p4; and 3 more"


def test_evidence_is_bounded_and_holds_nothing_that_steers_a_terminal():
    for finding in (judged("U1", "x", ["\x1b[31m\udcff" + "x" * 5000]), noted("U1", "x", "\x07" * 5000)):
        assert len(finding.evidence) <= 1200
        assert finding.evidence.encode("utf-8").isascii() is False
        assert "\x1b" not in finding.evidence and "\x07" not in finding.evidence


def test_a_note_fails_nothing():
    assert noted("U1", "x", "slow").result is Result.NOTE
