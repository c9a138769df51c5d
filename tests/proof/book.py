"""The last result of every proving test, kept from one run to the next: a proof takes hours, and parts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """What one test tried and how it ended: on which day, of which commit, in full or as a sample."""

    test: str
    subjects: tuple[str, ...]
    outcome: str
    seconds: float
    tried: dict[str, int]
    date: str
    commit: str
    full: bool


@dataclass(frozen=True, slots=True)
class Row:
    """Everything known about one promise or threat."""

    subject: str
    passed: int
    failed: tuple[str, ...]
    skipped: int
    tried: dict[str, int]
    sampled: bool


def load(path: Path) -> dict[str, Entry]:
    """The entries by test; none when there is no book yet."""
    if not path.exists():
        return {}
    return {one["test"]: _entry(one) for one in json.loads(path.read_text("utf-8"))}


def save(entries: dict[str, Entry], path: Path) -> None:
    path.write_text(json.dumps([asdict(one) for one in entries.values()], indent=1) + "\n", "utf-8")


def entries_of(ledger: Iterable[str], *, date: str, commit: str) -> list[Entry]:
    """The lines of one run as entries."""
    return [_entry({**json.loads(line), "date": date, "commit": commit}) for line in ledger]


def row(subject: str, entries: Iterable[Entry]) -> Row:
    """Sum up what the book tells of one subject."""
    mine = [one for one in entries if subject in one.subjects]
    tried: Counter[str] = Counter()
    for one in mine:
        if one.outcome == "passed":
            tried.update(one.tried)
    outcomes = Counter(one.outcome for one in mine)
    failed = tuple(one.test for one in mine if one.outcome == "failed")
    sampled = any(not one.full for one in mine)
    return Row(subject, outcomes["passed"], failed, outcomes["skipped"], dict(tried), sampled)


def _entry(document: dict[str, Any]) -> Entry:
    return Entry(**{**document, "subjects": tuple(document["subjects"])})
