"""When the Apprentice is nudged, gets a fresh start, or a person is asked: what the rounds found decides."""

from __future__ import annotations

import json

from executor.agent.progress import FACT, Move, Progress, after_round, allowed_again
from executor.domain.findings import Finding, Result, VerifierReport


def report(*failing: str) -> VerifierReport:
    result = Result.FAIL if failing else Result.PASS
    return VerifierReport("c", (Finding("T1", "tests", result),), 3, len(failing), 1.0, failing_tests=failing)


def walked(*rounds: tuple[str, ...], allowed: int = 100) -> list[Progress]:
    progress, seen = Progress("package", allowed), []
    for number, failing in enumerate(rounds):
        progress = after_round(progress, f"commit{number}", f"tree{number}", report(*failing), "verdict")
        seen.append(progress)
    return seen


def test_the_same_failures_lead_to_a_nudge_then_a_fresh_start_then_a_question():
    moves = [p.pending for p in walked(*[("a", "b")] * 9)]
    assert moves[2] is Move.NUDGE
    assert moves[5] is Move.FRESH
    assert moves[8] is Move.ASK
    assert {moves[i] for i in (0, 1, 3, 4, 6, 7)} == {Move.NONE}


def test_other_failures_count_as_a_way_forward():
    moves = [p.pending for p in walked(("a",), ("a",), ("b",), ("b",), ("a",), ("a",))]
    assert set(moves) == {Move.NONE}


def test_the_order_in_which_failures_are_named_does_not_matter():
    assert walked(("a", "b"), ("b", "a"), ("a", "b"))[-1].pending is Move.NUDGE


def test_a_failure_other_than_the_nudged_one_is_nudged_anew():
    moves = [p.pending for p in walked(*[("a",)] * 3, *[("b",)] * 3)]
    assert (moves[2], moves[5]) == (Move.NUDGE, Move.NUDGE)


def test_a_person_is_asked_at_the_last_iteration_that_is_allowed_and_can_allow_as_many_again():
    last = walked(("a",), ("b",), ("c",), allowed=3)[-1]
    assert last.pending is Move.ASK
    again = allowed_again(last, 3)
    assert (again.pending, again.allowed) == (Move.NONE, 6)


def test_a_green_last_iteration_asks_nobody():
    last = walked(("a",), ("b",), (), allowed=3)[-1]
    assert (last.pending, last.is_green, last.green) == (Move.NONE, True, "commit2")


def test_the_last_green_commit_is_known_after_a_later_failure():
    last = walked((), ("a",))[-1]
    assert (last.is_green, last.green, last.commit) == (False, "commit0", "commit1")


def test_progress_comes_back_from_facts_as_it_was():
    progress = walked(*[("a", "b")] * 3)[-1]
    stored = json.loads(json.dumps(progress.facts()))
    assert Progress.read(stored) == progress
    assert Progress.read({FACT: None}) is None
