"""The last step's report: who wrote the code, what it cost, and what the numbers do not hold."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from executor.steps.build import NO_MODEL
from executor.steps.report import report_of
from tests.fakes.apprentice import answer, finish
from tests.fakes.model import script
from tests.steps.workbench import workbench

LOCAL = "The repository is local only."


async def report_of_build(house, build):
    return json.loads((await house.store.builds.artifact(build.id, "report"))["body"])


async def test_a_build_by_rule_says_so_and_costs_nothing(house):
    report = await report_of_build(house, await house.made())
    assert (report["model_used"], report["model"], report["cost_usd"]) == (False, None, 0)
    assert NO_MODEL in report["notes"]
    assert report["left_out"]


async def test_a_build_with_a_model_says_which_what_it_cost_and_what_was_assumed(tmp_path):
    async with workbench(tmp_path / "state", script([answer(), finish()])) as (house, _):
        done = await house.made()
        report = await report_of_build(house, done)
    assert (report["model_used"], report["model"]) == (True, "claude-sonnet-5-5")
    assert report["cost_usd"] == round(done.facts["cost_usd"], 6) > 0
    assert (report["turns"], report["tokens"]) == (done.facts["turns"], done.facts["tokens"])
    assert report["ai_iterations"] == 1
    assert report["assumptions"] == done.facts["assumptions"] != []
    assert NO_MODEL not in report["notes"]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"unknown_cost_turns": 2}, "2 model calls were cut off"),
        ({"unknown_cost_turns": 1}, "1 model call was cut off"),
        ({"cost_known": False}, "the true cost is higher"),
    ],
)
async def test_the_report_says_what_its_sum_of_dollars_does_not_hold(house, facts, said):
    build = await house.made()
    spent = replace(build, facts={**build.facts, "provider": "anthropic", **facts})
    assert any(said in note for note in report_of(spent, 0.0, "http://here", LOCAL)["notes"])
    assert report_of(build, 0.0, "http://here", LOCAL)["notes"] == [NO_MODEL, LOCAL]
