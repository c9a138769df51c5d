"""What people may ask at awkward moments: no gate is passed by a detour, no release is out of reach."""

from __future__ import annotations

import asyncio

import pytest

from executor.domain.build import State
from executor.domain.outcome import Ask, Done
from executor.engine.requests import SubmitRequest
from executor.errors import Conflict, Permanent
from tests.engine.conftest import World


async def _decide(world: World, build_id: str, decision: str, **named: str | None):
    asked = {"checkpoint": None, "feedback": "", "gate_id": None, **named}
    return await world.commands.approve(build_id, decision=decision, **asked)


async def test_a_rejected_gate_is_not_passed_by_a_retry(world):
    build = await world.submit(approval_mode="final")
    await world.until(build.id, State.WAITING_APPROVAL)
    await _decide(world, build.id, "reject")
    await world.commands.retry(build.id, None)
    again = await world.until(build.id, State.WAITING_APPROVAL, State.COMPLETE)
    assert again.state is State.WAITING_APPROVAL
    assert world.steps[6].calls == []


async def test_a_build_cancelled_at_a_gate_meets_that_gate_again_when_it_is_retried(world):
    build = await world.submit(approval_mode="checkpoints")
    await world.until(build.id, State.WAITING_APPROVAL)
    await world.commands.cancel(build.id)
    with pytest.raises(Conflict) as refused:
        await world.commands.retry(build.id, 3)
    assert refused.value.code == "NOT_APPROVED"
    assert "--from 2" in refused.value.hint
    await world.commands.retry(build.id, None)
    again = await world.until(build.id, State.WAITING_APPROVAL, State.COMPLETE)
    assert again.hold["checkpoint"] == "spec_generated"


async def test_a_gate_that_was_approved_is_not_met_again_by_a_retry_of_a_later_step(world):
    async def fail(context):
        raise Permanent("The port is gone.")

    world.steps[6].script = fail
    build = await world.submit(approval_mode="final")
    await world.until(build.id, State.WAITING_APPROVAL)
    await _decide(world, build.id, "approve")
    await world.until(build.id, State.FAILED)
    world.steps[6].script = None
    await world.commands.retry(build.id, None)
    assert (await world.until(build.id, State.WAITING_APPROVAL, State.COMPLETE)).state is State.COMPLETE


async def test_a_build_whose_release_was_taken_back_deploys_again_before_it_registers(world):
    async def fail(context):
        raise Permanent("The registry refuses.")

    world.steps[7].script = fail
    build = await world.submit()
    await world.until(build.id, State.FAILED)
    await world.commands.retry(build.id, None)
    await world.until(build.id, State.FAILED)
    assert len(world.steps[6].calls) == 1

    async def hang(context):
        context.log("waiting")
        await context.record("stuck", "Waiting.")
        await asyncio.Event().wait()
        return Done("Never.")

    world.steps[7].script = hang
    await world.commands.retry(build.id, None)
    with world.bus.subscribe(build.id) as heard:
        while not any(f.event.event_type == "stuck" for f in await heard.take(5)):
            pass
    await world.commands.cancel(build.id)
    await world.until(build.id, State.CANCELLED)
    with pytest.raises(Conflict):
        await world.commands.retry(build.id, 7)
    world.steps[7].script = None
    await world.commands.retry(build.id, None)
    await world.until(build.id, State.COMPLETE)
    assert len(world.steps[6].calls) == 2


async def test_the_release_of_a_build_that_failed_after_deploying_can_be_withdrawn(world):
    async def fail(context):
        raise Permanent("The registry refuses.")

    world.steps[7].script = fail
    build = await world.submit()
    await world.until(build.id, State.FAILED)
    await world.commands.rollback(build.id)
    assert (await world.until(build.id, State.ROLLED_BACK)).error is None
    assert len(world.withdrawal.calls) == 1


async def test_a_failed_build_that_deployed_nothing_has_nothing_to_withdraw(world):
    async def fail(context):
        raise Permanent("No.")

    world.steps[2].script = fail
    build = await world.submit()
    await world.until(build.id, State.FAILED)
    with pytest.raises(Conflict) as refused:
        await world.commands.rollback(build.id)
    assert refused.value.code == "WRONG_STATE"


async def test_a_gate_rejected_while_an_earlier_release_of_the_build_serves_withdraws_that_release(world):
    async def fail(context):
        raise Permanent("The registry refuses.")

    world.steps[7].script = fail
    build = await world.submit(approval_mode="final")
    await world.until(build.id, State.WAITING_APPROVAL)
    await _decide(world, build.id, "approve")
    await world.until(build.id, State.FAILED)
    await world.commands.retry(build.id, 4)
    await world.until(build.id, State.WAITING_APPROVAL)
    await _decide(world, build.id, "reject")
    await world.until(build.id, State.REJECTED)
    assert len(world.withdrawal.calls) == 1


async def test_the_days_between_the_end_and_a_rollback_are_not_working_time(world):
    build = await world.submit()
    done = await world.until(build.id)
    clock = world.live.now
    world.live.now = lambda: clock() + 3 * 86400
    await world.commands.rollback(build.id)
    back = await world.until(build.id, State.ROLLED_BACK)
    assert back.working_seconds < done.working_seconds + 86400


async def test_approving_what_was_accepted_at_once_is_answered_and_a_closed_review_says_why(world):
    build = await world.submit(auto_approve=True)
    await world.until(build.id)
    assert (await _decide(world, build.id, "approve")).review["decision"] == "approved"
    other = await world.submit("Build Ledger Droplet")
    await world.until(other.id)
    await world.commands.rollback(other.id)
    await world.until(other.id, State.ROLLED_BACK)
    with pytest.raises(Conflict) as refused:
        await _decide(world, other.id, "approve")
    assert "rolled_back" in refused.value.message


async def test_a_cancel_while_a_release_is_taken_back_leaves_that_in_peace(world):
    build = await world.submit()
    await world.until(build.id)
    gate = asyncio.Event()

    async def wait(context):
        await gate.wait()
        return Done("Withdrawn.")

    world.withdrawal.script = wait
    await world.commands.rollback(build.id)
    while not world.withdrawal.calls:
        await asyncio.sleep(0)
    assert (await world.commands.cancel(build.id)).state is State.WITHDRAWING
    gate.set()
    await world.until(build.id, State.ROLLED_BACK)
    assert len(world.withdrawal.calls) == 1


async def test_a_submit_that_comes_twice_at_once_with_one_key_is_one_build(world):
    asked = SubmitRequest("Build Notes Droplet", idempotency_key="k", body_digest="d")
    replies = await asyncio.gather(*(world.commands.submit(asked) for _ in range(20)))
    assert len({reply.build.id for reply in replies}) == 1
    assert sum(not reply.replayed for reply in replies) == 1


async def test_to_go_on_is_no_feedback_for_the_steps_and_an_answer_in_words_is(world):
    heard: list[tuple[str, ...]] = []

    async def ask(context):
        heard.append(await context.feedback())
        if len(heard) > 2:
            return Done("Written.")
        questions = ({"id": "go_on", "question": "Go on?"}, {"id": "colour", "question": "Which?"})
        return Ask("One thing is open.", questions[len(heard) - 1 : len(heard)])

    world.steps[2].script = ask
    build = await world.submit()
    await world.until(build.id, State.WAITING_INPUT)
    await world.commands.answer(build.id, {"go_on": "retry"})
    while len(heard) < 2:
        await asyncio.sleep(0)
    await world.until(build.id, State.WAITING_INPUT)
    await world.commands.answer(build.id, {"colour": "blue"})
    await world.until(build.id, State.COMPLETE)
    assert heard == [(), (), ('{"colour": "blue"}',)]
