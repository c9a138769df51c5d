"""When to try again, and when not any more."""

from __future__ import annotations

import pytest

from executor.domain.retry import LONGEST_RETRY_AFTER, RetryPolicy, is_due

POLICY = RetryPolicy(first=2.0, longest=300.0, patience=3600.0)
DAY = 86_400.0


def wait(retries: int, waited: float, retry_after: float | None = None) -> float | None:
    return POLICY.wait(retries, waited, retry_after=retry_after, spread=0.5)


def test_waits_grow_to_the_longest_and_never_reach_beyond_the_patience():
    assert [wait(n, 0.0) for n in range(4)] == [2.0, 4.0, 8.0, 16.0]
    assert wait(20, 600.0) == 300.0
    assert wait(20, 3500.0) == 100.0
    assert wait(20, 3600.0) is None


def test_a_wait_that_was_asked_for_is_obeyed_up_to_an_hour():
    patient = RetryPolicy(patience=DAY)
    waits = [patient.wait(0, 0.0, retry_after=asked, spread=0.5) for asked in (50.0, 10 * DAY)]
    assert waits == [50.0, LONGEST_RETRY_AFTER]


def test_r14_a_clock_that_is_set_forward_uses_up_no_patience_by_itself():
    assert wait(0, 400 * DAY) == 2.0
    assert wait(3, 400 * DAY) == 16.0
    assert wait(4, 400 * DAY) is not None
    assert wait(5, 400 * DAY) is None


@pytest.mark.parametrize(
    ("ahead", "due"), [(-DAY, True), (0.0, True), (1.0, False), (3600.0, False), (3601.0, True), (DAY, True)]
)
def test_r14_a_wait_is_over_at_its_time_and_when_no_wait_could_be_so_long(ahead, due, ledger):
    assert is_due(1_800_000_000.0 + ahead, 1_800_000_000.0) is due
    ledger.tried("clock readings at a wait")
