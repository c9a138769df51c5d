"""How a build moves: the loop, waits, repairs, cancels, restarts and effects, with scripted steps."""

from __future__ import annotations

import asyncio

import pytest

from executor.domain.build import State
from executor.domain.outcome import Ask, Done, Repair
from executor.errors import Conflict, Invalid, NotFound, Permanent, Transient
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
    while other.id not in world.steps[2].calls:
        await asyncio.sleep(0)
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


async def test_an_unknown_build_is_not_found(world):
    with pytest.raises(NotFound):
        await world.commands.cancel("build-1-x-20260101-001")


async def test_the_store_keeps_every_artifact_version(world):
    build = await world.submit(approval_mode="checkpoints")
    await world.until(build.id, State.WAITING_APPROVAL)
    assert (await world.store.builds.artifact(build.id, "spec"))["version"] == 1
