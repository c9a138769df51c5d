"""R1: kill -9 at any await loses nothing and repeats no keyed effect."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.sweep import Sweep, sweeping
from tests.proof.scale import IN_FULL, scaled

# Where the database is made: each of these awaits leaves something else behind.
FIRST = {"happy": range(1, 13)}
KINDS = ["build.gate_opened", "build.decided", "build.completed"]
SAMPLES = {"happy": 36, "repair": 10, "gate": 10, "rollback": 10}


@pytest.fixture(scope="module")
def sweep() -> Iterator[Sweep]:
    with sweeping() as one:
        yield one


@pytest.mark.parametrize("scenario", SAMPLES)
def test_r1_a_build_killed_at_any_await_ends_as_if_it_had_never_been_killed(sweep, scenario, ledger):
    undisturbed, awaits = sweep.outcome(scenario)
    assert undisturbed["starts"] == 1
    assert undisturbed["posts"] == 1
    assert awaits > 100
    for point in sorted({*FIRST.get(scenario, ()), *points(awaits, SAMPLES[scenario])}):
        ended, _ = sweep.outcome(scenario, point)
        assert ended == undisturbed, f"killed at await {point} of {awaits} in scenario {scenario}"
        ledger.tried(f"kill points ({scenario})")


def test_r1_r8_a_model_is_asked_nothing_twice_but_what_was_in_flight_when_the_daemon_was_killed(
    sweep, ledger
):
    undisturbed, awaits = sweep.outcome("apprentice")
    asked = sweep.model_requests()
    assert undisturbed["builds"][0][0] == "complete"
    assert sum(number for _, number in undisturbed["answered"]) == asked
    for point in points(awaits, 24):
        ended, _ = sweep.outcome("apprentice", point)
        assert ended == undisturbed, f"killed at await {point} of {awaits}"
        assert sweep.model_requests() <= asked + 1, f"killed at await {point} of {awaits}"
        ledger.tried("kill points (with a model)")


def test_r1_every_notice_arrives_under_one_id_and_a_repeat_says_that_it_may_be_one(sweep, ledger):
    undisturbed, awaits = sweep.outcome("notification")
    assert [kind for _, kind in undisturbed["told"]] == KINDS
    repeats = 0
    for point in points(awaits, 10):
        ended, _ = sweep.outcome("notification", point)
        assert ended == undisturbed, f"killed at await {point} of {awaits}"
        heard: set[str] = set()
        for notice in sweep.notices():
            assert notice.may_be_repeat or notice.id not in heard, f"killed at await {point}: {notice}"
            repeats += notice.id in heard
            heard.add(notice.id)
        ledger.tried("kill points (notification)")
    assert repeats or not IN_FULL, "no kill fell between a notice's arrival and its record"
    ledger.tried("notices that came again", repeats)


def points(awaits: int, sample: int) -> range:
    """All points, or an even sample of them."""
    return range(1, awaits + 1, max(1, awaits // scaled(sample, awaits)))
