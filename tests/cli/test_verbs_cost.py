"""Money: every model call of a build, and the history beside what the architect wants."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

from tests.cli import documents

Run = Callable[..., subprocess.CompletedProcess[str]]
WANTED = {"success_rate": 0.8, "elapsed_seconds": 7200}


def turns() -> list[dict[str, Any]]:
    nothing = {"tokens": dict.fromkeys(("input", "output", "cache_read", "cache_write"), 0), "tool_calls": []}
    unpaid = {**nothing, "cost_usd": None, "stop_reason": None}
    edit = documents.call("str_replace_based_edit_tool", "/ws/app/main.py", is_error=True)
    return [
        documents.turn(1, "spec", tool_calls=[], stop_reason="end_turn"),
        documents.turn(2, tool_calls=[documents.call("bash", "pytest -q"), edit]),
        documents.turn(3, state="failed", error="The API is overloaded.", seconds=2.0, **unpaid),
        documents.turn(4, state="lost", seconds=None, **unpaid),
    ]


def test_cost_of_a_build_tells_every_turn_and_the_sums_of_each_conversation(served: Any, run: Run) -> None:
    build = served.fake.add(documents.with_model(1, cost_known=False))["build_id"]
    served.fake.turns[build] = turns()
    lines = [line.rstrip() for line in run("cost", build).stdout.splitlines()]
    assert lines[1].split() == ["1", "spec", "12s", "10.0k", "80", "%", "900", "$0.0375", "end_turn"]
    assert lines[2].endswith("bash pytest -q, edit app/main.py (failed)")
    assert lines[3].endswith("-  failed: The API is overloaded.")
    assert "unknown  cut off" in lines[4]
    assert lines[-2].split()[:3] == ["apprentice-1", "3", "14s"]
    assert lines[-2].endswith("$0.04 and 1 call unknown")
    assert lines[-1] == "together at least $1.23 of $5.00, 82 % of the prompts from the cache"


def test_cost_of_a_build_is_one_document_for_a_program(served: Any, run: Run) -> None:
    build = served.fake.add(documents.with_model(1))["build_id"]
    served.fake.turns[build] = turns()
    document = json.loads(run("cost", "@last", "--json").stdout)
    assert (document["build_id"], document["cost_usd"], len(document["turns"])) == (build, 1.23, 4)
    spec, work = document["conversations"]
    assert (spec["conversation"], spec["turns"], spec["tokens"]["cache_read"]) == ("spec", 1, 8000)
    assert (work["turns"], work["tool_calls"], work["cost_usd"], work["unknown"]) == (3, 2, 0.0375, 1)


def test_a_build_without_a_model_cost_nothing(served: Any, run: Run) -> None:
    served.fake.add(documents.make_build(1))
    assert "No model was called" in run("cost", "@last").stdout


def test_the_history_is_one_call_and_says_how_many_builds_it_speaks_of(served: Any, run: Run) -> None:
    states = {"complete": 9, "failed": 1, "rejected": 1, "cancelled": 1, "waiting_input": 2}
    model = documents.sums(
        builds=14, states=states, counted=11, succeeded=9, success_rate=0.8182,
        success_between=[0.523, 0.949], median_elapsed_seconds=2890.0, longest_elapsed_seconds=7300.0,
        cost_usd=31.2, cost_per_success_usd=3.4667, cache_hit_rate=0.92, builds_of_unknown_cost=1,
    )  # fmt: skip
    scaffold = documents.sums(builds=1, counted=1, succeeded=1, success_rate=1.0, success_between=[0.2, 1.0])
    served.fake.cost = {"wanted": WANTED, "model": model, "scaffold": scaffold, "undecided": documents.sums()}
    text = run("cost").stdout
    assert [path for _, path, _ in served.fake.requests] == ["/executor/cost"]
    for part in (
        "9 of 11 (82 %)",
        "at least $31.20",
        "$3.47",
        "92 %",
        "✓ 82 % succeeded: 9 succeeded, 1 failed, 1 rejected (not counted: 1 cancelled, 2 unfinished)",
        "n = 11",
        "anything from 52 % to 95 %",
        "✗ 48m 10s in the median, 2h 01m at most; n = 9",
    ):
        assert part in text
    assert "neither yet" not in text
    assert json.loads(run("cost", "--json").stdout) == served.fake.cost


def test_a_rate_that_is_just_what_is_wanted_is_not_more_than_it(served: Any, run: Run) -> None:
    model = documents.sums(
        builds=5, states={"complete": 4, "failed": 1}, counted=5, succeeded=4, success_rate=0.8,
        success_between=[0.37, 0.96], median_elapsed_seconds=10.0, longest_elapsed_seconds=10.0,
        cost_per_success_usd=1.0,
    )  # fmt: skip
    nothing = {"scaffold": documents.sums(), "undecided": documents.sums()}
    served.fake.cost = {"wanted": WANTED, "model": model, **nothing}
    assert "✗ 80 % succeeded" in run("cost").stdout


def test_without_a_build_by_a_model_nothing_is_claimed(served: Any, run: Run) -> None:
    scaffold = documents.sums(builds=3, counted=3, succeeded=3, success_rate=1.0, success_between=[0.44, 1.0])
    served.fake.cost = {
        "wanted": WANTED,
        "model": documents.sums(),
        "scaffold": scaffold,
        "undecided": documents.sums(),
    }
    text = run("cost").stdout
    assert "nothing can be said" in text and "✓" not in text
    served.fake.cost["scaffold"] = documents.sums()
    assert run("cost").stdout.startswith("No build yet.")
