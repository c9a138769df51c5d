"""Turns, dollars and the history's sums, as callers read them."""

from __future__ import annotations

import pytest

from executor.domain.build import State
from executor.domain.conversation import ModelReply, StopReason, Usage
from executor.domain.outcome import Ask, Done, Outcome
from executor.domain.step import StepContext
from executor.store.store import Store
from executor.store.turns import answered, finished
from executor.web.documents import CostDocument, StatusDocument, TurnDocument
from tests.web.conftest import Site


async def a_turn(store: Store, context: StepContext) -> None:
    """One paid call with one tool call, written as a conversation writes it."""
    build, now = context.build.id, context.now()
    opened = await store.turns.begin(build, "apprentice-1", "claude-x", now)
    reply = ModelReply(
        message_id="msg_1", model="claude-x", content=(), stop_reason=StopReason.TOOL_USE,
        usage=Usage(100, 50, 300, 0),
    )  # fmt: skip
    facts = {
        "spent": {"input": 100, "output": 50, "cache_read": 300, "cache_write": 0},
        "tokens": 450, "turns": 1, "cost_usd": 0.5, "cache_hit_rate": 0.75, "model": "claude-x",
        "provider": "anthropic", "apprentice": {"allowed": 10}, "ai_iterations": 1,
    }  # fmt: skip
    also = answered(build, opened.number, reply, 0.5, now + 2)
    await context.record("model_replied", "Turn 1.", facts, also=also)
    call = {"id": "a", "name": "bash", "input": {"command": "pytest -q"}}
    await store.turns.call_started(build, 1, 0, call, now)
    told = {"text": "1 failed", "is_error": False}
    await store.turns.call_finished(finished(build, 1, 0, result=told, snapshot=None, now=now + 1))


@pytest.fixture
async def paid(site: Site) -> str:
    """The address of a finished build that called a model once."""

    async def build(context: StepContext) -> Outcome:
        await a_turn(site.world.store, context)
        return Done("Built.")

    site.world.steps[4].script = build
    return f"/executor/builds/{(await site.finished(budget_usd=2.0)).id}"


async def test_turns_tell_what_each_call_was_and_cost(site: Site, paid: str) -> None:
    turn = TurnDocument.model_validate((await site.get(f"{paid}/turns"))[1][0])
    assert (turn.number, turn.conversation, turn.model, turn.state) == (
        1, "apprentice-1", "claude-x", "answered",
    )  # fmt: skip
    assert (turn.cost_usd, turn.tokens.cache_read, turn.seconds) == (0.5, 300, 2.0)
    call = turn.tool_calls[0]
    assert (call.name, call.about, call.state, call.seconds) == ("bash", "pytest -q", "finished", 1.0)


async def test_a_build_without_a_model_has_no_turns(site: Site) -> None:
    build = await site.finished()
    assert (await site.get(f"/executor/builds/{build.id}/turns"))[1] == []


async def test_the_status_tells_what_a_model_has_spent_and_how_far_it_may_go(site: Site, paid: str) -> None:
    status = (await site.get(f"{paid}/status"))[1]
    StatusDocument.model_validate(status)
    named = ("cost_usd", "cost_known", "tokens", "turns", "cache_hit_rate", "budget_usd", "model")
    assert [status[name] for name in named] == [0.5, True, 450, 1, 0.75, 2.0, "claude-x"]
    assert status["current_step_details"]["max_iterations"] == 10
    assert status["model_used"] is True
    assert (await site.get(status["links"]["turns"].removeprefix(site.url)))[0] == 200


async def test_a_call_that_was_cut_off_makes_the_cost_not_known(site: Site) -> None:
    async def build(_: StepContext) -> Outcome:
        return Done("Built.", {"turns": 1, "cost_usd": 0.5, "unknown_cost_turns": 1})

    site.world.steps[4].script = build
    found = await site.finished()
    assert (await site.get(f"/executor/builds/{found.id}/status"))[1]["cost_known"] is False


async def test_the_history_is_summed_by_who_built_beside_what_is_wanted(site: Site, paid: str) -> None:
    site.world.steps[4].script = None
    await site.finished(architect_intent="Build Ledger Droplet")
    cost = CostDocument.model_validate((await site.get("/executor/cost"))[1])
    assert cost.wanted == {"success_rate": 0.8, "elapsed_seconds": 7200.0}
    assert (cost.model.counted, cost.model.success_rate, cost.model.cost_usd) == (1, 1.0, 0.5)
    assert (cost.undecided.counted, cost.undecided.cost_usd) == (1, 0.0)


async def test_a_build_that_waits_for_a_budget_says_so_and_goes_on_by_the_top_up(site: Site) -> None:
    async def build(context: StepContext) -> Outcome:
        if (context.build.budget_usd or 0) > 1:
            return Done("Built.")
        question = {"id": "go_on", "question": "Go on?", "options": ["retry", "stop"], "default": "retry"}
        return Ask("The budget is spent.", (question,), needs="budget")

    site.world.steps[4].script = build
    build_id = await site.started(budget_usd=1.0)
    await site.world.until(build_id, State.WAITING_INPUT)
    path = f"/executor/builds/{build_id}"
    status = (await site.get(f"{path}/status"))[1]
    StatusDocument.model_validate(status)
    assert status["needs"] == "budget"
    assert (await site.post(f"{path}/budget", {"usd": 1}))[0] == 200
    assert (await site.world.until(build_id)).state is State.COMPLETE
    assert (await site.get(f"{path}/status"))[1]["needs"] is None
