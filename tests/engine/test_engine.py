"""How a build moves: the loop, gates, waits, repairs, commands and restarts, with scripted steps."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from executor.domain.build import State
from executor.domain.outcome import Ask, Done, Repair
from executor.engine.identity import Known
from executor.engine.requests import SubmitRequest
from executor.errors import Conflict, Invalid, NotFound, Overloaded, Permanent, Transient
from tests.engine.conftest import running_world


async def test_a_build_walks_all_eight_steps_and_opens_its_review(world):
    build = await world.submit()
    done = await world.until(build.id)
    assert done.state is State.COMPLETE
    assert [c.step for c in done.completed] == list(range(1, 9))
    assert done.review["decision"] == "pending"
    events = await world.store.builds.events(build.id)
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert [e.step for e in events if e.event_type == "step_completed"] == list(range(1, 9))
    assert events[-1].event_type == "build_completed"


async def test_the_first_droplet_without_an_id_is_13_and_the_id_names_its_build(world):
    build = await world.submit("Build Analytics Engine for tracking droplet metrics")
    assert (build.droplet_id, build.droplet_name) == (13, "analytics")
    assert build.id.startswith("build-13-analytics-")
    assert build.id.endswith("-001")


async def test_auto_approve_accepts_the_review_at_once(world):
    build = await world.submit(auto_approve=True)
    assert (await world.until(build.id)).review["decision"] == "approved"


@pytest.mark.parametrize(
    ("mode", "gates"), [("auto", []), ("final", ["built"]), ("checkpoints", ["spec_generated", "built"])]
)
async def test_each_mode_waits_exactly_at_its_gates(world, mode, gates):
    build = await world.submit(approval_mode=mode)
    met = []
    while (
        now := await world.until(build.id, State.WAITING_APPROVAL, State.COMPLETE)
    ).state is not State.COMPLETE:
        met.append(now.hold["checkpoint"])
        await world.commands.approve(build.id, checkpoint=None, decision="approve", feedback="", gate_id=None)
    assert met == gates


async def test_a_wait_for_approval_survives_a_restart(tmp_path):
    async with running_world(tmp_path) as first:
        build = await first.submit(approval_mode="final")
        waiting = await first.until(build.id, State.WAITING_APPROVAL)
    async with running_world(tmp_path) as second:
        again = await second.store.builds.get(build.id)
        assert (again.state, again.hold) == (State.WAITING_APPROVAL, waiting.hold)
        await second.commands.approve(
            build.id, checkpoint="built", decision="approve", feedback="", gate_id=waiting.hold["gate_id"]
        )
        assert (await second.until(build.id)).state is State.COMPLETE
        assert second.steps[5].calls == []


async def test_a_decision_on_another_gate_is_refused_and_the_same_decision_twice_is_answered(world):
    build = await world.submit(approval_mode="checkpoints")
    hold = (await world.until(build.id, State.WAITING_APPROVAL)).hold

    async def decide(checkpoint=None, decision="approve", gate_id=None):
        return await world.commands.approve(
            build.id, checkpoint=checkpoint, decision=decision, feedback="", gate_id=gate_id
        )

    with pytest.raises(Conflict):
        await decide(checkpoint="built")
    with pytest.raises(Conflict):
        await decide(gate_id="spec_generated-000000000000")
    await decide(gate_id=hold["gate_id"])
    await decide(gate_id=hold["gate_id"])
    await decide(checkpoint="spec_generated")
    with pytest.raises(Conflict):
        await decide(checkpoint="spec_generated", decision="reject")
    await world.until(build.id, State.WAITING_APPROVAL)
    with pytest.raises(Conflict):
        await decide(gate_id=hold["gate_id"], decision="reject")
    approvals = [t for t in await world.event_types(build.id) if t == "approved"]
    assert len(approvals) == 1


async def test_reject_at_a_gate_ends_the_build_without_deploying(world):
    build = await world.submit(approval_mode="final")
    await world.until(build.id, State.WAITING_APPROVAL)
    await world.commands.approve(build.id, checkpoint=None, decision="reject", feedback="no", gate_id=None)
    assert (await world.until(build.id)).state is State.REJECTED
    assert world.steps[6].calls == []


async def test_revise_without_a_model_names_the_setting(world):
    build = await world.submit(approval_mode="final")
    await world.until(build.id, State.WAITING_APPROVAL)
    with pytest.raises(Conflict) as refused:
        await world.commands.approve(build.id, checkpoint=None, decision="revise", feedback="x", gate_id=None)
    assert refused.value.code == "NEEDS_MODEL"
    assert refused.value.details["setting"] == "model.provider"


async def test_revise_at_the_review_builds_the_droplet_anew_once(tmp_path):
    async with running_world(tmp_path, has_model=True) as world:
        build = await world.submit()
        await world.until(build.id)
        said = {
            "checkpoint": "deployed",
            "decision": "revise",
            "feedback": "count in metres",
            "gate_id": None,
        }
        for _ in range(2):
            revised = await world.commands.approve(build.id, **said)
        successor = await world.until(revised.review["revision"])
        assert revised.review["decision"] == "revised"
        assert (successor.droplet_id, successor.droplet_name) == (build.droplet_id, build.droplet_name)
        assert successor.intent.startswith(build.intent)
        assert "count in metres" in successor.intent
        assert len((await world.store.builds.page()).builds) == 2


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


async def test_reject_at_the_review_withdraws_the_release(world):
    build = await world.submit()
    await world.until(build.id)
    await world.commands.approve(
        build.id, checkpoint="deployed", decision="reject", feedback="", gate_id=None
    )
    assert (await world.until(build.id, State.ROLLED_BACK)).review["decision"] == "rejected"
    assert world.withdrawal.calls == [build.id]


async def test_a_transient_error_waits_visibly_and_then_goes_on(world):
    tries = []

    async def flaky(context):
        tries.append(1)
        if len(tries) < 3:
            raise Transient("The registry does not answer.")
        return Done("Registered.")

    world.steps[7].script = flaky
    build = await world.submit()
    done = await world.until(build.id)
    assert done.state is State.COMPLETE
    assert (await world.event_types(build.id)).count("retry_scheduled") == 2
    assert done.retries == 0


async def test_patience_that_is_used_up_asks_a_person(tmp_path):
    async with running_world(tmp_path, patience=0.03) as world:

        async def down(context):
            raise Transient("The registry does not answer.")

        world.steps[7].script = down
        build = await world.submit()
        asked = await world.until(build.id, State.WAITING_INPUT)
        assert asked.hold["questions"][0]["options"] == ["retry", "stop"]
        with pytest.raises(Invalid):
            await world.commands.answer(build.id, {"go_on": "perhaps"})
        await world.commands.answer(build.id, {"go_on": "stop"})
        assert (await world.until(build.id)).state is State.FAILED


async def test_repair_goes_back_at_most_twice_and_then_asks(world):
    async def broken(context):
        return Repair("The tests are red.", "test_x failed", 4)

    world.steps[5].script = broken
    build = await world.submit()
    asked = await world.until(build.id, State.WAITING_INPUT)
    assert len(world.steps[4].calls) == 3
    assert "test_x failed" in [s.feedback for s in await world.store.builds.sayings(build.id)]
    assert asked.facts["attempts"]["4"] == 3


async def test_a_permanent_error_fails_the_build_and_retry_goes_on_from_that_step(world):
    async def broken(context):
        raise Permanent("The disk is on fire.", hint="Put it out.")

    world.steps[3].script = broken
    build = await world.submit()
    failed = await world.until(build.id)
    assert (failed.state, failed.error["hint"], failed.error["step"]) == (State.FAILED, "Put it out.", 3)
    world.steps[3].script = None
    await world.commands.retry(build.id, None)
    assert (await world.until(build.id, State.COMPLETE)).error is None
    assert len(world.steps[1].calls) == 1


async def test_a_crash_inside_a_step_fails_the_build_in_words(world):
    async def buggy(context):
        raise ZeroDivisionError("division by zero")

    world.steps[2].script = buggy
    build = await world.submit()
    assert (await world.until(build.id)).error["code"] == "INTERNAL_ERROR"


async def test_retry_from_a_step_that_does_not_exist_or_was_not_reached_is_refused(world):
    async def broken(context):
        raise Permanent("No.")

    world.steps[3].script = broken
    build = await world.submit()
    await world.until(build.id)
    with pytest.raises(Invalid):
        await world.commands.retry(build.id, 9)
    with pytest.raises(Conflict):
        await world.commands.retry(build.id, 7)


async def test_cancel_stops_the_running_step_and_a_second_cancel_is_refused(world):
    stopped = asyncio.Event()

    async def long(context):
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    world.steps[4].script = long
    build = await world.submit()
    while not world.steps[4].calls:
        await asyncio.sleep(0.01)
    cancelled = await world.commands.cancel(build.id)
    assert cancelled.state is State.CANCELLED
    assert stopped.is_set()
    with pytest.raises(Conflict):
        await world.commands.cancel(build.id)


async def test_cancel_after_deploying_withdraws_first(world):
    async def long(context):
        await asyncio.sleep(60)

    world.steps[7].script = long
    build = await world.submit()
    while not world.steps[7].calls:
        await asyncio.sleep(0.01)
    await world.commands.cancel(build.id)
    assert (await world.until(build.id)).state is State.CANCELLED
    assert world.withdrawal.calls == [build.id]


async def test_the_deadline_counts_working_time_and_asks(tmp_path):
    async with running_world(tmp_path, deadline=0.2) as world:

        async def long(context):
            await asyncio.sleep(60)

        world.steps[4].script = long
        build = await world.submit()
        asked = await world.until(build.id, State.WAITING_INPUT)
        assert "deadline" in asked.hold["reason"]


async def test_a_restart_runs_the_interrupted_step_again_and_no_earlier_one(tmp_path):
    async with running_world(tmp_path) as first:

        async def long(context):
            await asyncio.sleep(60)

        first.steps[4].script = long
        build = await first.submit()
        while not first.steps[4].calls:
            await asyncio.sleep(0.01)
    async with running_world(tmp_path) as second:
        assert (await second.until(build.id)).state is State.COMPLETE
        assert [bool(second.steps[n].calls) for n in range(1, 9)] == [False] * 3 + [True] * 5


async def test_an_effect_whose_result_is_known_is_never_acted_again(tmp_path):
    acts = []

    async def act():
        acts.append(1)
        return {"id": 7}

    async def absent():
        return None

    async def once(context):
        first = await context.effect("repo", probe=absent, act=act)
        second = await context.effect("repo", probe=absent, act=act)
        return Done("ok", {"same": first == second})

    async with running_world(tmp_path) as world:
        world.steps[3].script = once
        build = await world.submit()
        assert (await world.until(build.id)).facts["same"] is True
    assert acts == [1]


async def test_an_effect_that_may_have_happened_is_adopted_by_its_probe(world):
    async def found():
        return {"id": 7}

    async def never():
        raise AssertionError("acted although the probe had found it")

    async def adopt(context):
        result = await context.effect("repo", probe=found, act=never)
        return Done("ok", {"adopted": result["id"]})

    world.steps[3].script = adopt
    build = await world.submit()
    assert (await world.until(build.id)).facts["adopted"] == 7


async def test_a_question_from_a_step_waits_for_its_answer(world):
    asked = []

    async def ask(context):
        if not asked:
            asked.append(1)
            return Ask(
                "Which colour?", ({"id": "colour", "question": "Which?", "options": None, "default": "red"},)
            )
        return Done("ok", {"said": list(await context.feedback())})

    world.steps[2].script = ask
    build = await world.submit()
    await world.until(build.id, State.WAITING_INPUT)
    with pytest.raises(Invalid):
        await world.commands.answer(build.id, {"size": "big"})
    await world.commands.answer(build.id, {"colour": "blue"})
    assert "blue" in (await world.until(build.id)).facts["said"][0]


async def test_a_question_that_takes_any_text_passes_it_on_as_advice(world):
    question = {"id": "go_on", "question": "How?", "options": ["retry", "stop"], "free_text": True}

    async def ask(context):
        said = list(await context.feedback())
        return Done("ok", {"said": said}) if said else Ask("Stuck.", (question,))

    world.steps[4].script = ask
    build = await world.submit()
    await world.until(build.id, State.WAITING_INPUT)
    await world.commands.answer(build.id, {"go_on": "round half up"})
    assert "round half up" in (await world.until(build.id)).facts["said"][0]


async def test_two_builds_of_one_droplet_run_one_after_the_other(world):
    gate = asyncio.Event()

    async def wait(context):
        await gate.wait()
        return Done("ok")

    world.steps[2].script = wait
    first = await world.submit(droplet_name="books")
    second = await world.submit(droplet_name="books")
    other = await world.submit(droplet_name="films")
    await asyncio.sleep(0.1)
    states = [(await world.store.builds.get(b.id)).state for b in (first, second, other)]
    assert states == [State.IN_PROGRESS, State.QUEUED, State.IN_PROGRESS]
    gate.set()
    assert (await world.until(second.id)).state is State.COMPLETE
    assert second.droplet_id == first.droplet_id


async def test_max_concurrent_bounds_what_runs_at_once(tmp_path):
    async with running_world(tmp_path, max_concurrent=2) as world:
        running, peak = [], []

        async def step(context):
            running.append(1)
            peak.append(len(running))
            await asyncio.sleep(0.01)
            running.pop()
            return Done("ok")

        for one in world.steps.values():
            one.script = step
        builds = [await world.submit(droplet_name=f"d{n}") for n in range(6)]
        for build in builds:
            await world.until(build.id)
        assert max(peak) == 2


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


async def test_an_unknown_build_is_not_found(world):
    with pytest.raises(NotFound):
        await world.commands.cancel("build-1-x-20260101-001")


async def test_the_store_keeps_every_artifact_version(world):
    build = await world.submit(approval_mode="checkpoints")
    await world.until(build.id, State.WAITING_APPROVAL)
    assert (await world.store.builds.artifact(build.id, "spec"))["version"] == 1


async def test_a_database_of_a_later_release_is_refused(tmp_path: Path):
    import sqlite3

    from executor.store.migrate import NewerSchema
    from executor.store.store import Store

    store = await Store.open(tmp_path)
    await store.close()
    with sqlite3.connect(tmp_path / "executor.db") as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(NewerSchema):
        await Store.open(tmp_path)
