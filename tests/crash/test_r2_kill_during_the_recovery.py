"""R2: the same for a kill during the recovery from a kill, at pairs of awaits drawn from seeds."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.crash.sweep import Sweep, sweeping
from tests.proof.scale import scaled

PAIRS = scaled(24, 500)
SCENARIOS = ("happy", "repair", "gate", "rollback")


@pytest.fixture(scope="module")
def sweep() -> Iterator[Sweep]:
    with sweeping() as one:
        yield one


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_r2_a_build_killed_again_while_it_recovers_ends_as_if_it_had_never_been_killed(
    sweep, scenario, ledger
):
    undisturbed, awaits = sweep.outcome(scenario)
    for seed in range(PAIRS // len(SCENARIOS)):
        chance = random.Random(f"{scenario}-{seed}")
        first = chance.randrange(1, awaits + 1)
        # A recovery begins with some awaits of its own; half of the second kills fall among these.
        second = chance.randrange(1, 60) if chance.random() < 0.5 else chance.randrange(1, awaits + 1)
        ended, _ = sweep.outcome(scenario, first, second)
        assert ended == undisturbed, (
            f"{scenario}: killed at await {first}, then at await {second}; seed {seed}"
        )
        ledger.tried(f"double kills ({scenario})")
