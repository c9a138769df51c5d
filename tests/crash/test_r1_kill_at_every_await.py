"""R1: kill -9 at any await loses nothing and repeats no keyed effect."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.crash.sweep import Sweep, sweeping

SAMPLES = {"happy": 36, "repair": 10, "gate": 10, "rollback": 10}


@pytest.fixture(scope="module")
def sweep() -> Iterator[Sweep]:
    with sweeping() as one:
        yield one


@pytest.mark.parametrize("scenario", SAMPLES)
def test_r1_a_build_killed_at_any_await_ends_as_if_it_had_never_been_killed(sweep, scenario):
    undisturbed, awaits = sweep.outcome(scenario)
    assert undisturbed["starts"] == 1
    assert undisturbed["posts"] == 1
    assert awaits > 100
    for point in points(awaits, SAMPLES[scenario]):
        ended, _ = sweep.outcome(scenario, point)
        assert ended == undisturbed, f"killed at await {point} of {awaits} in scenario {scenario}"


def test_r1_r8_a_model_is_asked_nothing_twice_but_what_was_in_flight_when_the_daemon_was_killed(sweep):
    undisturbed, awaits = sweep.outcome("apprentice")
    asked = sweep.model_requests()
    assert undisturbed["builds"][0][0] == "complete"
    assert sum(number for _, number in undisturbed["answered"]) == asked
    for point in points(awaits, 24):
        ended, _ = sweep.outcome("apprentice", point)
        assert ended == undisturbed, f"killed at await {point} of {awaits}"
        assert sweep.model_requests() <= asked + 1, f"killed at await {point} of {awaits}"


def points(awaits: int, sample: int) -> list[int]:
    """All points, or an even sample that moves with each day's run seed so that none is never tried."""
    if os.environ.get("FPAI_SWEEP") == "all":
        return list(range(1, awaits + 1))
    stride = max(1, awaits // sample)
    offset = int(os.environ.get("FPAI_SWEEP_OFFSET", "0")) % stride
    return list(range(1 + offset, awaits + 1, stride))[: sample + 1]
