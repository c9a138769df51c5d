"""Taking an intent in: id, name, price and place in the queue; what is refused, what a preview says."""

from __future__ import annotations

import asyncio

import pytest

from executor.domain.outcome import Done
from executor.engine.identity import Known
from executor.engine.requests import SubmitRequest
from executor.errors import Conflict, Invalid, Overloaded
from tests.engine.conftest import running_world


async def test_the_first_droplet_without_an_id_is_13_and_the_id_names_its_build(world):
    build = await world.submit("Build Analytics Engine for tracking droplet metrics")
    assert (build.droplet_id, build.droplet_name) == (13, "analytics")
    assert build.id.startswith("build-13-analytics-")
    assert build.id.endswith("-001")


async def test_a_budget_for_a_model_without_a_price_is_refused_rather_than_guessed(tmp_path):
    async with running_world(tmp_path, unpriced_model="claude-unheard-of") as world:
        with pytest.raises(Invalid, match="price of claude-unheard-of is not known"):
            await world.submit(budget_usd=5.0)
        assert (await world.store.builds.page()).builds == ()


async def test_what_a_plan_would_cost_is_the_median_of_what_builds_cost_or_not_known(tmp_path):
    async def spend(context):
        return Done("built", {"turns": 3, "cost_usd": 0.25 if "cheap" in context.build.intent else 0.75})

    async with running_world(tmp_path, has_model=True) as world:
        world.steps[4].script = spend
        assert (await world.commands.preview(SubmitRequest("Build Any Droplet")))[
            "estimated_cost_usd"
        ] is None
        for intent in ("Build Cheap Droplet, cheap", "Build Dear Droplet"):
            await world.until((await world.submit(intent)).id)
        plan = await world.commands.preview(SubmitRequest("Build Any Droplet"))
        assert plan["estimated_cost_usd"] == 0.5
        assert any("by rule" in warning for warning in plan["warnings"])


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        ({"droplet_id": 12}, True),
        ({"droplet_id": 8}, True),
        ({"droplet_name": "verifier"}, True),
        ({"droplet_id": 20, "droplet_name": "books"}, True),
        ({"droplet_id": 14}, False),
        ({"droplet_name": "books"}, False),
        ({"droplet_id": 13, "droplet_name": "books"}, False),
        ({"droplet_id": 13, "droplet_name": "films"}, True),
        ({"droplet_id": 13}, False),
    ],
)
async def test_ids_and_names_that_belong_to_others_are_refused_with_free_ones(tmp_path, asked, taken):
    async with running_world(tmp_path, known=[Known(8, "verifier", ours=False)]) as world:
        books = await world.submit(droplet_name="books")
        assert books.droplet_id == 13
        if taken:
            with pytest.raises(Conflict) as refused:
                await world.submit("Build a thing for cats", **asked)
            assert refused.value.details["free_id"] == 14
            assert refused.value.details["free_name"]
        else:
            await world.submit("Build a thing for cats", **asked)


async def test_the_same_words_again_are_a_new_release_and_other_words_never_replace(world):
    first = await world.submit("Build Analytics Engine for tracking droplet metrics")
    again = await world.submit("Build Analytics Engine for tracking droplet metrics")
    other = await world.submit("Build Analytics Engine for counting visitors")
    assert again.droplet_id == first.droplet_id
    assert other.droplet_id != first.droplet_id
    assert other.droplet_name == "analytics-2"
    assert "analytics" in other.warnings[0]


async def test_an_idempotency_key_replays_and_refuses_another_body(world):
    one = SubmitRequest("Build Books", idempotency_key="k", body_digest="a")
    first = await world.commands.submit(one)
    second = await world.commands.submit(one)
    assert (second.replayed, second.build.id) == (True, first.build.id)
    assert second.estimated_completion == first.estimated_completion
    with pytest.raises(Conflict) as refused:
        await world.commands.submit(SubmitRequest("Build Films", idempotency_key="k", body_digest="b"))
    assert refused.value.code == "IDEMPOTENCY_KEY_REUSED"


async def test_a_full_queue_refuses_with_a_time_to_come_back(tmp_path):
    async with running_world(tmp_path, max_concurrent=1) as world:

        async def wait(context):
            await asyncio.sleep(60)

        world.steps[1].script = wait
        with pytest.raises(Overloaded) as refused:
            for n in range(60):
                await world.submit(droplet_name=f"d{n}")
        assert refused.value.retry_after > 0


async def test_a_preview_writes_nothing(world):
    shown = await world.commands.preview(SubmitRequest("Build Books"))
    assert shown["droplet_id"] == 13
    assert shown["build_id"].endswith("-001")
    assert len(shown["steps"]) == 8
    assert (await world.store.builds.page()).builds == ()
