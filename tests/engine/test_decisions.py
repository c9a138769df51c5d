"""What people decide at gates and at the review, and what a build does with it."""

from __future__ import annotations

import pytest

from executor.domain.build import State
from executor.errors import Conflict
from tests.engine.conftest import running_world


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


async def test_reject_at_the_review_withdraws_the_release(world):
    build = await world.submit()
    await world.until(build.id)
    await world.commands.approve(
        build.id, checkpoint="deployed", decision="reject", feedback="", gate_id=None
    )
    assert (await world.until(build.id, State.ROLLED_BACK)).review["decision"] == "rejected"
    assert world.withdrawal.calls == [build.id]
