"""What people say to builds over HTTP."""

from __future__ import annotations

import asyncio

import pytest

from executor.domain.build import State
from executor.domain.outcome import Ask, Done, Outcome
from executor.domain.step import StepContext
from executor.errors import Permanent
from tests.patience import PATIENCE
from tests.web.conftest import Site


async def held(site: Site, **more: object) -> str:
    build_id = await site.started(approval_mode="checkpoints", **more)
    await site.world.until(build_id, State.WAITING_APPROVAL)
    return f"/executor/builds/{build_id}"


async def test_a_gate_is_shown_with_its_id_and_an_approval_moves_on(site: Site) -> None:
    path = await held(site)
    gate = (await site.get(f"{path}/status"))[1]["gate"]
    assert gate["checkpoint"] == "spec_generated"
    assert gate["asks"]
    status, document, _ = await site.post(f"{path}/approve", {"gate_id": gate["gate_id"]})
    assert status == 200
    assert document["gate"] is None or document["gate"]["gate_id"] != gate["gate_id"]


async def test_a_stale_gate_is_409_and_the_same_decision_twice_is_200(site: Site) -> None:
    path = await held(site)
    gate = (await site.get(f"{path}/status"))[1]["gate"]
    assert (await site.post(f"{path}/approve", {"checkpoint": "built"}))[0] == 409
    status, reply, _ = await site.post(f"{path}/approve", {"gate_id": "spec_generated-000000000000"})
    assert (status, reply["error"]["code"]) == (409, "STALE_GATE")
    assert (await site.post(f"{path}/approve", {"gate_id": gate["gate_id"]}))[0] == 200
    assert (await site.post(f"{path}/approve", {"gate_id": gate["gate_id"]}))[0] == 200


async def test_a_rejection_ends_the_build_and_a_revision_without_a_model_is_409(site: Site) -> None:
    path = await held(site)
    status, reply, _ = await site.post(f"{path}/approve", {"decision": "revise", "feedback": "more"})
    assert (status, reply["error"]["code"]) == (409, "NEEDS_MODEL")
    assert reply["error"]["details"]["hint"]
    assert (await site.post(f"{path}/approve", {"decision": "reject"}))[1]["status"] == "rejected"


async def test_questions_are_shown_and_answers_are_checked(site: Site) -> None:
    asked: list[str] = []

    async def ask(context: StepContext) -> Outcome:
        if asked:
            return Done("Understood.")
        asked.append(context.build.id)
        question = {"id": "colour", "question": "Which colour?", "options": ["red", "blue"], "default": None}
        return Ask("The intent names no colour.", (question,))

    site.world.steps[3].script = ask
    build_id = await site.started()
    await site.world.until(build_id, State.WAITING_INPUT)
    path = f"/executor/builds/{build_id}"
    document = (await site.get(f"{path}/status"))[1]
    assert document["waiting_reason"] == "The intent names no colour."
    assert document["questions"][0]["options"] == ["red", "blue"]
    status, reply, _ = await site.post(f"{path}/answer", {"answers": {"colour": "green"}})
    assert status == 400
    assert reply["error"]["details"]["fields"][0]["loc"] == ["answers", "colour"]
    assert (await site.post(f"{path}/answer", {"answers": {"colour": "red"}}))[0] == 200
    assert (await site.world.until(build_id)).state is State.COMPLETE


async def test_a_budget_is_raised_and_shown(site: Site) -> None:
    path = await held(site, budget_usd=1.0)
    assert (await site.post(f"{path}/budget", {"usd": 2.5}))[1]["budget_usd"] == 3.5
    assert (await site.post(f"{path}/budget", {"usd": 1}))[1]["budget_usd"] == 4.5


async def test_a_build_without_a_budget_has_none_to_raise(site: Site) -> None:
    path = await held(site)
    status, reply, _ = await site.post(f"{path}/budget", {"usd": 2.5})
    assert (status, reply["error"]["code"]) == (409, "NO_BUDGET")
    assert (await site.get(f"{path}/status"))[1]["budget_usd"] is None


async def test_a_cancel_ends_a_running_build_and_a_second_one_is_409(site: Site) -> None:
    begun = asyncio.Event()

    async def linger(_: StepContext) -> Outcome:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    site.world.steps[3].script = linger
    build_id = await site.started()
    await asyncio.wait_for(begun.wait(), PATIENCE)
    path = f"/executor/builds/{build_id}"
    status, document, _ = await site.call("DELETE", path)
    assert (status, document["status"]) == (200, "cancelled")
    status, reply, _ = await site.call("DELETE", path)
    assert (status, reply["error"]["code"]) == (409, "ALREADY_FINISHED")


@pytest.mark.parametrize("how", ["body", "query", "default"])
async def test_a_failed_build_is_retried_from_the_step_in_body_or_query(site: Site, how: str) -> None:
    failing = [True]

    async def fail_once(_: StepContext) -> Outcome:
        if failing.pop() if failing else False:
            raise Permanent("The disk of the moon is full.", hint="Try the earth.")
        return Done("It went well.")

    site.world.steps[4].script = fail_once
    build = await site.finished()
    path = f"/executor/builds/{build.id}"
    error = (await site.get(f"{path}/status"))[1]["error"]
    assert (error["step"], error["hint"]) == (4, "Try the earth.")
    query = "?from_step=2" if how == "query" else ""
    status, _, _ = await site.post(f"{path}/retry{query}", {"from_step": 2} if how == "body" else None)
    assert status == 200
    assert (await site.world.until(build.id, State.COMPLETE)).state is State.COMPLETE
    assert len(site.world.steps[2].calls) == (1 if how == "default" else 2)


async def test_a_rollback_is_shown_as_work_and_ends_rolled_back(site: Site) -> None:
    going = asyncio.Event()

    async def withdraw(_: StepContext) -> Outcome:
        await going.wait()
        return Done("Withdrawn.")

    site.world.withdrawal.script = withdraw
    build = await site.finished()
    path = f"/executor/builds/{build.id}"
    status, document, _ = await site.post(f"{path}/rollback", {})
    assert (status, document["status"], document["current_step_name"]) == (200, "in_progress", "Rollback")
    going.set()
    await site.world.until(build.id, State.ROLLED_BACK)
    assert (await site.get(f"{path}/status"))[1]["status"] == "rolled_back"
