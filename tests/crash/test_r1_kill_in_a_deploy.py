"""R1: kill -9 at any await of a deploy to a host over SSH changes nothing in how it ends."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.crash.deploy_sweep import DeploySweep, sweeping_deploys

pytestmark = pytest.mark.sweep

SAMPLES = {"first": 2, "second": 3, "rollback": 2}
_BROKEN_SAMPLE = 1
_ONE_MORE_TRIAL = {"build": 0, "load": 1, "run": 2, "network": 0}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> Iterator[DeploySweep]:
    with sweeping_deploys(tmp_path_factory.mktemp("deploys")) as one:
        yield one


@pytest.mark.parametrize("scenario", SAMPLES)
def test_r1_a_deploy_killed_at_any_await_ends_as_if_it_had_never_been_killed(sweep, scenario):
    undisturbed, awaits = sweep.outcome(scenario)
    assert up(undisturbed) == 1
    assert undisturbed["answers"] == [serving(undisturbed)]
    assert awaits > 100
    for point in points(awaits, SAMPLES[scenario]):
        ended, _ = sweep.outcome(scenario, point)
        assert ended == undisturbed, f"killed at await {point} of {awaits} in scenario {scenario}"


def test_r1_a_broken_release_whose_trial_is_killed_is_refused_and_the_one_before_never_stops(sweep):
    """The verdict of a killed trial is lost: it is held once more, and nothing else is done twice."""
    undisturbed, awaits = sweep.outcome("broken")
    acts = undisturbed.pop("acts")
    assert up(undisturbed) == 1
    assert undisturbed["answers"] == [serving(undisturbed)]
    assert undisturbed["builds"][-1][0] == "waiting_input"
    for point in points(awaits, _BROKEN_SAMPLE):
        ended, _ = sweep.outcome("broken", point)
        done = ended.pop("acts")
        assert ended == undisturbed, f"killed at await {point} of {awaits}"
        assert done.keys() == acts.keys()
        for act, times in done.items():
            assert times <= acts[act] + _ONE_MORE_TRIAL[act.split()[0]], f"{act} after a kill at {point}"


def points(awaits: int, sample: int) -> list[int]:
    """All points, or one of each equal share of them, by a seed."""
    if os.environ.get("FPAI_SWEEP") == "all":
        return list(range(1, awaits + 1))
    drawn = random.Random(f"{os.environ.get('FPAI_SEED', '31')} {sample}")
    share = awaits // sample
    return [number * share + drawn.randint(1, share) for number in range(sample)]


def up(ended: dict[str, Any]) -> int:
    """How many releases run."""
    return sum(
        status == "running" for name, _, status, _ in ended["containers"] if name not in ended["edges"]
    )


def serving(ended: dict[str, Any]) -> str:
    """The release that is live by the book."""
    return next(row[0] for row in ended["releases"] if row[1] == "live")
