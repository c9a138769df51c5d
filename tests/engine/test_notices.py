"""Notices are in the outbox with the checkpoint that they tell of, once for each channel."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from executor.domain.build import Build, State
from executor.domain.outcome import Ask, Outcome
from executor.domain.step import StepContext
from executor.engine.channel_sender import ChannelSender
from executor.engine.deliveries import Deliveries
from executor.engine.notices import NOTIFY
from executor.engine.reports import Reports
from executor.errors import Invalid, Permanent, Transient
from tests.engine.conftest import World


class Recording:
    """A channel that remembers, and fails as often as it is told to."""

    def __init__(self, *faults: Exception) -> None:
        self.told: list[tuple[str, bool, Mapping[str, Any]]] = []
        self.earlier: list[Mapping[str, Any] | None] = []
        self.faults = list(faults)

    async def tell(
        self, notice: Mapping[str, Any], *, key: str, may_be_repeat: bool, earlier: Mapping[str, Any] | None
    ) -> Mapping[str, Any]:
        self.told.append((key, may_be_repeat, notice))
        self.earlier.append(earlier)
        if self.faults:
            raise self.faults.pop(0)
        return {"ts": str(len(self.told))}


def deliveries(world: World, ahead: float = 0.0, **channels: Recording) -> Deliveries:
    sender = ChannelSender(channels, world.store.outbox)
    reports = Reports("http://localhost:8400", 12)
    clock = lambda: world.live.now() + ahead  # noqa: E731
    return Deliveries(store=world.store, senders={NOTIFY: sender}, reports=reports, clock=clock)


async def kinds(world: World, build: Build) -> list[tuple[str, str]]:
    query = "SELECT address, body ->> '$.kind' AS kind FROM outbox WHERE build_id = ? ORDER BY number"
    rows = await world.store.database.fetch(query, (build.id,))
    return [(row["address"], row["kind"]) for row in rows]


async def test_a_build_without_channels_tells_nobody(world):
    build = await world.submit()
    await world.until(build.id)
    assert await kinds(world, build) == []


async def test_every_gate_its_decision_and_the_end_are_told_to_every_channel(world):
    build = await world.submit(approval_mode="final", notify_channels=("slack", "email"))
    held = await world.until(build.id, State.WAITING_APPROVAL)
    said = {"checkpoint": None, "feedback": "", "gate_id": held.hold["gate_id"], "by": "slack:U1"}
    await world.commands.approve(build.id, decision="approve", **said)
    await world.until(build.id)
    told = [kind for channel, kind in await kinds(world, build) if channel == "slack"]
    assert told == ["build.gate_opened", "build.decided", "build.completed"]
    assert [kind for channel, kind in await kinds(world, build) if channel == "email"] == told


async def test_questions_failures_and_a_cancel_are_told(world):
    async def asks(_: StepContext) -> Outcome:
        return Ask("Which one?", ({"id": "q", "question": "Which?"},))

    async def fails(_: StepContext) -> Outcome:
        raise Permanent("It cannot be done.")

    world.steps[2].script = asks
    asked = await world.submit(notify_channels=("slack",))
    await world.until(asked.id, State.WAITING_INPUT)
    await world.commands.cancel(asked.id)
    world.steps[2].script = fails
    failed = await world.submit("Build Other Droplet", notify_channels=("slack",))
    await world.until(failed.id)
    assert [kind for _, kind in await kinds(world, asked)] == ["build.input_requested", "build.ended"]
    assert [kind for _, kind in await kinds(world, failed)] == ["build.failed"]


async def test_a_decision_finds_the_receipt_of_the_message_that_asked_for_it(world):
    slack = Recording()
    sending = deliveries(world, slack=slack)
    build = await world.submit(approval_mode="final", notify_channels=("slack",))
    held = await world.until(build.id, State.WAITING_APPROVAL)
    await sending.look()
    said = {"checkpoint": None, "feedback": "", "gate_id": held.hold["gate_id"], "by": "mail:a@b"}
    await world.commands.approve(build.id, decision="approve", **said)
    await world.until(build.id)
    await sending.look()
    await sending.look()
    assert [notice["kind"] for _, _, notice in slack.told] == [
        "build.gate_opened", "build.decided", "build.completed",
    ]  # fmt: skip
    assert slack.earlier == [None, {"ts": "1"}, None]
    assert slack.told[1][2]["decided_by"] == "mail:a@b"


async def test_an_answer_and_a_cancel_find_the_message_that_asked(world):
    async def asks(_: StepContext) -> Outcome:
        return Ask("Which one?", ({"id": "q", "question": "Which?", "free_text": True},))

    slack = Recording()
    sending = deliveries(world, slack=slack)
    world.steps[2].script = asks
    build = await world.submit(notify_channels=("slack",))
    await world.until(build.id, State.WAITING_INPUT)
    await sending.look()
    with world.bus.subscribe(build.id) as heard:
        await world.commands.answer(build.id, {"q": "this one"})
        while "input_requested" not in {frame.event.event_type for frame in await heard.take(1)}:
            pass
    await world.until(build.id, State.WAITING_INPUT)
    await world.commands.cancel(build.id)
    for _ in range(3):
        await sending.look()
    told = [
        (notice["kind"], earlier) for (_, _, notice), earlier in zip(slack.told, slack.earlier, strict=True)
    ]
    assert told == [
        ("build.input_requested", None),
        ("build.decided", {"ts": "1"}),
        ("build.input_requested", None),
        ("build.ended", {"ts": "3"}),
    ]


async def test_an_end_after_a_decision_changes_nothing_that_was_asked_before(world):
    slack = Recording()
    sending = deliveries(world, slack=slack)
    build = await world.submit(approval_mode="final", notify_channels=("slack",))
    held = await world.until(build.id, State.WAITING_APPROVAL)
    said = {"checkpoint": None, "feedback": "", "gate_id": held.hold["gate_id"]}

    async def fails(_: StepContext) -> Outcome:
        raise Permanent("It cannot be done.")

    world.steps[6].script = fails
    await world.commands.approve(build.id, decision="approve", **said)
    await world.until(build.id)
    for _ in range(3):
        await sending.look()
    assert [notice["kind"] for _, _, notice in slack.told][-1] == "build.failed"
    assert slack.earlier == [None, {"ts": "1"}, None]


async def test_a_channel_that_is_down_delays_no_build_and_a_possible_repeat_is_marked(world):
    slack = Recording(Transient("It is down."))
    build = await world.submit(notify_channels=("slack",))
    await world.until(build.id)
    await deliveries(world, slack=slack).look()
    await deliveries(world, ahead=600, slack=slack).look()
    (first, sure, _), (second, maybe, _) = slack.told
    assert (first == second, sure, maybe) == (True, False, True)


async def test_a_notice_that_is_not_taken_by_anybody_is_given_up_and_says_why(world):
    build = await world.submit(notify_channels=("email",))
    await world.until(build.id)
    await deliveries(world, slack=Recording()).look()
    (row,) = await world.store.outbox.of_build(build.id)
    assert "email is not configured" in row["reason"]


async def test_an_unknown_channel_is_refused_and_one_that_lacks_something_is_warned_of(world):
    with pytest.raises(Invalid, match="pigeon"):
        await world.submit(notify_channels=("pigeon",))
    build = await world.submit(notify_channels=("slack", "email"))
    assert [text for text in build.warnings if "slack" in text and "a webhook" in text]
    assert not [text for text in build.warnings if "email" in text]
    await world.until(build.id)


async def test_a_kill_between_the_commit_and_the_message_loses_nothing(world):
    build = await world.submit(notify_channels=("slack",))
    await world.until(build.id)
    slack = Recording()
    await deliveries(world, slack=slack).look()
    again = Recording()
    await deliveries(world, slack=again).look()
    await asyncio.sleep(0)
    assert (len(slack.told), len(again.told)) == (1, 0)
