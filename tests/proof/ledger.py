"""What each test tried: one JSON line a test, in the file that FPAI_PROOF names.

A test belongs to the promise whose number is in its name (`test_r5_…`), or to the threat it names itself.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.proof.scale import is_sampled

_NUMBER = re.compile(r"(?:^|_)r(\d+)(?=_)")
_REPORTS = pytest.StashKey[list[pytest.TestReport]]()
_LEDGERS = pytest.StashKey["Ledger"]()


class Ledger:
    """What one test has tried so far, in words with a count each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.threats: set[str] = set()

    def tried(self, what: str, count: int = 1, *, threat: str = "") -> None:
        """`count` more of `what` (a plural: "kill points, happy path"), after each has been judged.

        `threat`: the row of the threat table that this defends against ("sandbox escapes").
        """
        self.counts[what] += count
        if threat:
            self.threats.add(threat)


@pytest.fixture
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """Where a test counts what it tried: `ledger.tried("crash states")`."""
    one = Ledger()
    request.node.stash[_LEDGERS] = one
    return one


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    item.stash.setdefault(_REPORTS, []).append(report)
    if report.when == "teardown":
        _write(item)
    return report


def _write(item: pytest.Item) -> None:
    path = os.environ.get("FPAI_PROOF")
    ledger = item.stash.get(_LEDGERS, None)
    subjects = promises_of(item.name) + sorted(ledger.threats if ledger else ())
    if not path or not subjects:
        return
    reports = item.stash[_REPORTS]
    line = {
        "test": item.nodeid,
        "subjects": subjects,
        "outcome": outcome_of([report.outcome for report in reports]),
        "seconds": round(sum(report.duration for report in reports), 1),
        "tried": dict(ledger.counts) if ledger else {},
        "full": not isinstance(item, pytest.Function) or not is_sampled(item.module),
    }
    with open(path, "a") as file:
        file.write(json.dumps(line) + "\n")


def promises_of(name: str) -> list[str]:
    """The numbers in a test's name, before its parameters: test_r1_r8_a_model[x] → R1, R8."""
    return [f"R{number}" for number in _NUMBER.findall(name.partition("[")[0])]


def outcome_of(phases: list[str]) -> str:
    """failed, skipped or passed, from the outcomes of set-up, call and teardown."""
    return next((one for one in ("failed", "skipped") if one in phases), "passed")
