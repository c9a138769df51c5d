"""More dollars for a build: nothing that is under way is lost, and what stopped for want of them goes on."""

from __future__ import annotations

import asyncio

import pytest

from executor.domain.build import State
from executor.domain.outcome import Ask, Done
from executor.engine.changes import go_on_question
from executor.errors import Conflict
from tests.engine.conftest import World
from tests.patience import PATIENCE


def _spent() -> Ask:
    return Ask("The budget is spent.", (go_on_question("Go on, or stop?"),), needs="budget")


async def test_a_top_up_of_a_running_build_leaves_its_step_alone_and_the_step_sees_it(world: World):
    begun, paid, seen = asyncio.Event(), asyncio.Event(), []

    async def call_a_model(context):
        begun.set()
        await paid.wait()
        seen.append(context.build.budget_usd)
        await context.record("model_replied", "It has answered.", {"cost_usd": 0.5})
        return Done("Built.")

    world.steps[4].script = call_a_model
    build = await world.submit(budget_usd=1.0)
    await asyncio.wait_for(begun.wait(), PATIENCE)
    raised = await world.commands.top_up(build.id, 2.0)
    assert (raised.budget_usd, raised.state) == (3.0, State.IN_PROGRESS)
    paid.set()
    done = await world.until(build.id)
    assert (done.state, done.budget_usd, done.facts["cost_usd"]) == (State.COMPLETE, 3.0, 0.5)
    assert seen == [3.0]
    assert world.steps[4].calls == [build.id]


async def test_top_ups_and_checkpoints_at_the_same_moment_all_count(world: World):
    begun, enough = asyncio.Event(), asyncio.Event()

    async def busy(context):
        begun.set()
        number = 0
        while not enough.is_set():
            number += 1
            await context.record("model_replied", "It has answered.", {"turns": number})
        return Done("Built.", {"recorded": number})

    world.steps[4].script = busy
    build = await world.submit(budget_usd=1.0)
    await begun.wait()
    await asyncio.gather(*(world.commands.top_up(build.id, 1.0) for _ in range(10)))
    enough.set()
    done = await world.until(build.id)
    assert done.budget_usd == 11.0
    assert done.facts["turns"] == done.facts["recorded"]
    assert world.steps[4].calls == [build.id]
    types = await world.event_types(build.id)
    assert types.count("budget_raised") == 10
    assert types.count("model_replied") == done.facts["recorded"]


async def test_a_build_that_waits_for_a_budget_goes_on_by_the_top_up_alone(world: World):
    async def spend(context):
        return Done("Built.") if context.build.budget_usd > 1.0 else _spent()

    world.steps[4].script = spend
    build = await world.submit(budget_usd=1.0)
    await world.until(build.id, State.WAITING_INPUT)
    await world.commands.top_up(build.id, 0.5)
    done = await world.until(build.id)
    assert (done.state, done.budget_usd) == (State.COMPLETE, 1.5)
    assert len(world.steps[4].calls) == 2
    assert (await world.store.builds.sayings(build.id))[-1].decision == "answer"


async def test_a_top_up_does_not_answer_what_was_asked_about_something_else(world: World):
    async def ask(context):
        return Ask("Which colour?", ({"id": "colour", "question": "Which?", "options": [], "default": None},))

    world.steps[4].script = ask
    build = await world.submit(budget_usd=1.0)
    await world.until(build.id, State.WAITING_INPUT)
    raised = await world.commands.top_up(build.id, 0.5)
    assert (raised.state, raised.budget_usd) == (State.WAITING_INPUT, 1.5)


async def test_a_budget_raised_while_the_step_gives_up_for_want_of_it_lets_it_run_again(world: World):
    begun, raised = asyncio.Event(), asyncio.Event()

    async def spend(context):
        if len(world.steps[4].calls) > 1:
            return Done("Built.")
        begun.set()
        await raised.wait()
        return _spent()

    world.steps[4].script = spend
    build = await world.submit(budget_usd=1.0)
    await begun.wait()
    await world.commands.top_up(build.id, 1.0)
    raised.set()
    done = await world.until(build.id, State.COMPLETE, State.WAITING_INPUT)
    assert done.state is State.COMPLETE
    assert "input_requested" not in await world.event_types(build.id)


async def test_a_top_up_that_comes_while_the_question_is_written_answers_it(world: World):
    begun, go = asyncio.Event(), asyncio.Event()

    async def spend(context):
        if len(world.steps[4].calls) > 1:
            return Done("Built.")
        begun.set()
        await go.wait()
        return _spent()

    world.steps[4].script = spend
    build = await world.submit(budget_usd=1.0)
    await begun.wait()
    model = world.scheduler.model_of(build.id)
    go.set()
    while not model.turnstile.locked():
        await asyncio.sleep(0)
    await world.commands.top_up(build.id, 1.0)
    done = await world.until(build.id, State.COMPLETE, State.FAILED)
    assert (done.state, done.budget_usd) == (State.COMPLETE, 2.0)
    assert "input_requested" in await world.event_types(build.id)


async def test_a_build_without_a_limit_has_no_budget_to_raise(world: World):
    build = await world.submit(approval_mode="final")
    await world.until(build.id, State.WAITING_APPROVAL)
    with pytest.raises(Conflict) as refused:
        await world.commands.top_up(build.id, 1.0)
    assert refused.value.code == "NO_BUDGET"
    assert "budget_raised" not in await world.event_types(build.id)
