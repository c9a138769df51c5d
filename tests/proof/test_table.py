"""The table tells what was tried and lost, and what falls short, and holds only when all of it was tried."""

from __future__ import annotations

from pathlib import Path

from tests.proof import book, table
from tests.proof.promises import PROMISES, THREATS

FIGURE = {"name": "list", "value": 1.6, "unit": "ms", "against": "empty", "ratio": 1.6, "target": "<= 1.5 x"}


def entry(subject: str, outcome: str = "passed", **more) -> book.Entry:
    whole = {
        "test": f"tests/test_{subject}.py::test",
        "seconds": 1.0,
        "tried": {"points": 1200},
        "full": True,
    }
    return book.Entry(
        subjects=(subject,), outcome=outcome, date="2026-01-02", commit="abc", **{**whole, **more}
    )


EVERYTHING = [entry(subject) for subject in (*PROMISES, *THREATS)]


def test_a_proof_of_everything_holds_and_says_so():
    told = table.proof(EVERYTHING, [{**FIGURE, "met": True}], "a machine")
    assert table.holds(EVERYTHING)
    assert "Tried 2026-01-02 on a machine." in told
    assert "| R5: power loss loses no acknowledged transition | 1,200 points | 1 | 0 |" in told
    assert told.endswith("Nothing falls short.")


def test_a_broken_promise_is_counted_and_named():
    entries = [*EVERYTHING, entry("R5", "failed", test="tests/test_it.py::test_r5_it")]
    told = table.proof(entries, [], "a machine")
    assert not table.holds(entries)
    assert "| 1,200 points | 1 | **1** |" in told
    assert "- R5: tests/test_it.py::test_r5_it failed" in told


def test_what_was_not_tried_or_skipped_or_sampled_or_missed_is_told():
    entries = [one for one in EVERYTHING if one.subjects not in {("R9",), ("SSRF",), ("R3",)}]
    entries += [entry("R9", "skipped"), entry("R3", full=False)]
    told = table.proof(entries, [{**FIGURE, "met": False}], "a machine")
    assert not table.holds(entries)
    for line in (
        "- SSRF: nothing was tried",
        "- R9: skipped on this machine: 1 of its tests",
        "- some of it only as a sample: R3",
        "- list: 1.6 ms, target <= 1.5 x",
    ):
        assert line in told


def test_a_book_is_read_as_it_was_written(tmp_path: Path):
    entries = {one.test: one for one in EVERYTHING}
    book.save(entries, tmp_path / "book.json")
    assert book.load(tmp_path / "book.json") == entries
