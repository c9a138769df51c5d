"""What all builds came to: counted honestly, by who built."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from executor.domain.build import State
from executor.store.spending import spending
from executor.store.store import Store
from tests.store.conftest import make_build, stored


def ended(number: int, state: State, seconds: float = 60.0, **facts: Any):
    build = make_build(number, state=state, created_at=1000.0)
    return replace(build, finished_at=1000.0 + seconds, working_seconds=seconds / 2, facts=facts)


async def test_a_history_without_builds_claims_nothing(store: Store) -> None:
    shown = (await spending(store.database))["model"].shown()
    assert (shown["builds"], shown["success_rate"], shown["median_elapsed_seconds"]) == (0, None, None)
    assert shown["success_between"] is None
    assert (shown["cost_per_success_usd"], shown["cache_hit_rate"], shown["cost_usd"]) == (None, None, 0.0)


async def test_builds_that_failed_or_were_turned_down_count_and_cancelled_ones_do_not(store: Store) -> None:
    states = [
        State.COMPLETE, State.COMPLETE, State.FAILED, State.REJECTED, State.ROLLED_BACK, State.CANCELLED,
        State.WAITING_INPUT,
    ]  # fmt: skip
    await stored(store, *(ended(n, state, turns=1) for n, state in enumerate(states, 1)))
    shown = (await spending(store.database))["model"].shown()
    assert (shown["builds"], shown["counted"], shown["succeeded"], shown["success_rate"]) == (7, 5, 2, 0.4)
    assert shown["states"]["waiting_input"] == 1


async def test_few_builds_leave_the_true_rate_wide_open(store: Store) -> None:
    ends = [State.COMPLETE] * 9 + [State.FAILED] * 2
    await stored(store, *(ended(n, state, turns=1) for n, state in enumerate(ends, 1)))
    low, high = (await spending(store.database))["model"].shown()["success_between"]
    assert (round(low, 3), round(high, 3)) == (0.523, 0.949)  # Wilson's interval of 9 in 11, z = 1.96


async def test_builds_of_a_model_are_not_mixed_with_those_of_the_scaffold(store: Store) -> None:
    await stored(
        store,
        ended(1, State.COMPLETE, provider="scaffold"),
        ended(2, State.FAILED, provider="anthropic", turns=3),
        ended(3, State.FAILED, turns=1),
        ended(4, State.FAILED),
    )
    found = {
        who: (s.shown()["counted"], s.shown()["succeeded"])
        for who, s in (await spending(store.database)).items()
    }
    assert found == {"model": (2, 0), "scaffold": (1, 1), "undecided": (1, 0)}


async def test_dollars_tokens_and_durations_are_summed_over_successes_and_failures(store: Store) -> None:
    spent = {"input": 100, "output": 50, "cache_read": 300, "cache_write": 0}
    done = {"turns": 2, "cost_usd": 1.0, "spent": spent}
    await stored(
        store,
        ended(1, State.COMPLETE, 100.0, **done),
        ended(2, State.COMPLETE, 300.0, **done),
        ended(3, State.COMPLETE, 8000.0, **done, unknown_cost_turns=1),
        ended(4, State.FAILED, 9000.0, **done | {"cost_known": False}),
    )
    shown = (await spending(store.database))["model"].shown()
    assert (shown["cost_usd"], shown["turns"], shown["cost_per_success_usd"]) == (4.0, 8, 1.333333)
    assert shown["tokens"] == {"input": 400, "output": 200, "cache_read": 1200, "cache_write": 0}
    assert shown["cache_hit_rate"] == 0.75
    assert (shown["median_elapsed_seconds"], shown["median_working_seconds"]) == (300.0, 150.0)
    assert (shown["longest_elapsed_seconds"], shown["builds_of_unknown_cost"]) == (8000.0, 2)
