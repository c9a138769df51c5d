"""Clicks in Slack: what is signed, fresh and an approver's decides once; everything else changes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from executor.domain.build import FINISHED, State
from executor.slack import slack_clicks
from tests.fakes.slack import SIGNING, FakeSlack, buttons, pressed, signed, written
from tests.fakes.slack_office import Office, clicks_of, configured, office
from tests.patience import PATIENCE
from tests.web.conftest import Site, serving

THREAT = "forged approvals"

HOOK = "/hooks/slack"
WAITS = State.WAITING_APPROVAL
Opening = Callable[..., AbstractAsyncContextManager[tuple[Site, Office]]]


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as fake:
        yield fake


@pytest.fixture
def opening(tmp_path: Path, slack: FakeSlack) -> Opening:
    @asynccontextmanager
    async def opened(*, has_model: bool = True, **table: Any) -> AsyncIterator[tuple[Site, Office]]:
        configuration = configured(slack, **table)
        async with aiohttp.ClientSession() as session:
            lent = lambda world: {  # noqa: E731
                "clicks": clicks_of(configuration, session, world),
                "slack_signing_secret": SIGNING,
            }
            async with (
                serving(
                    tmp_path, api=lent, world={"has_model": has_model}, server={"token": "t" * 20}
                ) as site,
                office(slack, site.world, configuration) as desk,
            ):
                yield site, desk
                await site.api.clicks.aclose()

    return opened


@pytest.fixture
async def both(opening: Opening) -> AsyncIterator[tuple[Site, Office]]:
    async with opening() as opened:
        yield opened


async def send(site: Site, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    status, reply, _ = await site.call("POST", HOOK, data=body, headers=headers)
    return status, reply


async def press(site: Site, payload: dict[str, Any]) -> tuple[int, Any]:
    return await send(site, *signed(payload))


async def test_a_press_of_approve_lets_the_build_go_on_and_the_message_says_who(both):
    site, desk = both
    build, button = await desk.button("approve")
    assert await press(site, pressed(button, desk.slack)) == (200, "")
    await desk.world.until(build.id)
    assert await desk.deciders(build) == ["slack:U1"]
    await desk.deliveries.look()
    asked = next(iter(desk.slack.messages.values()))
    assert buttons(asked) == {}
    assert "Approved* by <@U1>" in asked["blocks"][-1]["elements"][0]["text"]
    assert desk.slack.of("response") == []


async def test_a_press_of_reject_ends_the_build(both):
    site, desk = both
    build, button = await desk.button("reject")
    await press(site, pressed(button, desk.slack))
    assert await desk.state(build) is State.REJECTED


async def test_revise_asks_in_a_form_and_what_is_written_there_decides(both):
    site, desk = both
    build, button = await desk.button("revise")
    assert await press(site, pressed(button, desk.slack)) == (200, "")
    (opened,) = desk.slack.of("views.open")
    assert await desk.state(build) is WAITS
    assert await press(site, written(opened["view"], "Use port 8300")) == (200, "")
    (saying,) = [s for s in await desk.world.store.builds.sayings(build.id) if s.decision == "revise"]
    assert saying.feedback == "Use port 8300"


@pytest.mark.parametrize(
    ("user", "feedback", "says"), [("U2", "More", "approvers"), ("U1", "  ", "different")]
)
async def test_a_form_of_another_user_or_with_nothing_in_it_says_so_and_decides_nothing(
    both, user, feedback, says
):
    site, desk = both
    build, button = await desk.button("revise")
    await press(site, pressed(button, desk.slack))
    (opened,) = desk.slack.of("views.open")
    status, reply = await press(site, written(opened["view"], feedback, user=user))
    assert (status, reply["response_action"]) == (200, "errors")
    assert says in reply["errors"]["what"]
    assert await desk.state(build) is WAITS


async def test_a_form_that_was_sent_too_late_says_so_in_the_form(both):
    site, desk = both
    build, button = await desk.button("revise")
    await press(site, pressed(button, desk.slack))
    (opened,) = desk.slack.of("views.open")
    said = {"checkpoint": None, "feedback": "", "gate_id": None}
    await desk.world.commands.approve(build.id, decision="reject", **said)
    _, reply = await press(site, written(opened["view"], "Use port 8300"))
    assert "rejected" in reply["errors"]["what"]
    assert await desk.state(build) is State.REJECTED


async def test_a_scaffold_that_cannot_revise_says_so_in_the_form(opening):
    async with opening(has_model=False) as (site, desk):
        build, button = await desk.button("revise")
        await press(site, pressed(button, desk.slack))
        (opened,) = desk.slack.of("views.open")
        _, reply = await press(site, written(opened["view"], "Use port 8300"))
        assert "needs a model" in reply["errors"]["what"]
        assert await desk.state(build) is WAITS


async def test_a_form_that_slack_does_not_open_is_told_of(both):
    site, desk = both
    _, button = await desk.button("revise")
    desk.slack.faults = ["expired_trigger_id"]
    await press(site, pressed(button, desk.slack))
    assert "Press the button again" in (await desk.told())["text"]


async def test_only_an_approvers_press_counts_and_others_are_told_so_alone(both, ledger):
    site, desk = both
    build, button = await desk.button("approve")
    assert await press(site, pressed(button, desk.slack, user="U2")) == (200, "")
    told = await desk.told()
    assert "U2, is not among the approvers of [notify.slack]" in told["text"]
    assert (told["response_type"], told["replace_original"]) == ("ephemeral", False)
    assert await desk.state(build) is WAITS
    ledger.tried("presses of others", threat=THREAT)


async def test_a_press_in_another_channel_counts_for_nothing(both, ledger):
    site, desk = both
    build, button = await desk.button("approve")
    await press(site, pressed(button, desk.slack, channel="C2"))
    assert "none of those under [notify.NAME]" in (await desk.told())["text"]
    assert await desk.state(build) is WAITS
    ledger.tried("presses of others", threat=THREAT)


async def test_a_build_that_does_not_report_to_the_channel_is_not_decided_there(both, ledger):
    site, desk = both
    told, button = await desk.button("approve")
    secret = await desk.world.submit("Build Other Droplet", approval_mode="final", notify_channels=("email",))
    await desk.world.until(secret.id, WAITS)
    forged = {**button, "value": button["value"].replace(told.id, secret.id)}
    await press(site, pressed(forged, desk.slack))
    assert "does not report to this channel" in (await desk.told())["text"]
    assert await desk.state(secret) is WAITS
    ledger.tried("presses of others", threat=THREAT)


async def test_a_second_press_changes_nothing_and_says_so(both):
    site, desk = both
    build, button = await desk.button("approve")
    await press(site, pressed(button, desk.slack))
    done = await desk.world.until(build.id)
    assert (await press(site, {**pressed(button, desk.slack), "again": 1}))[0] == 200
    assert "approved before; nothing changed" in (await desk.told())["text"]
    assert await desk.deciders(build) == ["slack:U1"]
    assert (await desk.world.store.builds.get(build.id)).last_seq == done.last_seq


async def test_two_presses_at_once_decide_once(both):
    site, desk = both
    build, button = await desk.button("approve")
    first, second = pressed(button, desk.slack), {**pressed(button, desk.slack), "again": 1}
    assert await asyncio.gather(press(site, first), press(site, second)) == [(200, ""), (200, "")]
    await desk.world.until(build.id)
    assert await desk.deciders(build) == ["slack:U1"]


async def test_the_other_button_after_a_decision_is_refused(both):
    site, desk = both
    build, message = await desk.held()
    await press(site, pressed(buttons(message)["reject"], desk.slack))
    await press(site, pressed(buttons(message)["approve"], desk.slack))
    assert "Nothing was changed" in (await desk.told())["text"]
    assert await desk.state(build) is State.REJECTED


async def test_a_button_of_an_earlier_opening_of_the_gate_decides_nothing(both, ledger):
    site, desk = both
    build, message = await desk.held()
    said = {"checkpoint": None, "feedback": "Again", "gate_id": build.hold["gate_id"]}
    await desk.world.commands.approve(build.id, decision="revise", **said)
    while (again := await desk.world.until(build.id, WAITS)).hold["gate_id"] == build.hold["gate_id"]:
        await asyncio.sleep(0)
    for name in ("approve", "revise"):
        desk.slack.calls.clear()
        await press(site, pressed(buttons(message)[name], desk.slack))
        await desk.told()
    assert desk.slack.of("views.open") == []
    assert (await desk.world.store.builds.get(build.id)).hold["gate_id"] == again.hold["gate_id"]
    ledger.tried("stale buttons", 2, threat=THREAT)


async def test_a_button_of_a_build_that_is_not_known_here_says_so(both):
    site, desk = both
    build, button = await desk.button("approve")
    gone = {**button, "value": button["value"].replace(build.id, "build-99-gone-20260101-001")}
    await press(site, pressed(gone, desk.slack))
    assert "build-99-gone-20260101-001" in (await desk.told())["text"]


async def test_a_message_that_nothing_else_changes_loses_its_buttons_when_it_is_pressed(opening, slack):
    secrets = {"SLACK_WEBHOOK_URL": slack.webhook_url, "SLACK_SIGNING_SECRET": SIGNING}
    async with opening(channel="", secrets=secrets) as (site, desk):
        build, message = await desk.held()
        payload = pressed(buttons(message)["approve"], slack, channel="C9")
        payload["message"] = {"ts": "1", "blocks": message["blocks"]}
        await press(site, payload)
        closed = await desk.told()
        assert closed["replace_original"] is True
        assert (buttons(closed), closed["text"]) == ({}, "*Approved* by <@U1>.")
        await desk.world.until(build.id)


async def test_an_answer_goes_to_slack_alone(both):
    site, desk = both
    _, button = await desk.button("approve")
    async with FakeSlack() as elsewhere:
        payload = {**pressed(button, desk.slack, user="U2"), "response_url": elsewhere.response_url}
        await press(site, payload)
        await site.api.clicks.aclose()
        assert elsewhere.calls == []


async def test_what_is_no_button_of_ours_is_taken_and_does_nothing(both):
    site, desk = both
    payload = pressed({"action_id": "a-link"}, desk.slack)
    assert await press(site, payload) == (200, "")
    assert await press(site, {"type": "shortcut"}) == (200, "")


# The signature


async def refused(site: Site, body: bytes, headers: dict[str, str]) -> None:
    status, reply = await send(site, body, headers)
    assert (status, reply["error"]["code"]) == (401, "BAD_SIGNATURE")
    assert "Nothing was decided" in reply["error"]["message"]


async def test_a_tampered_body_is_refused(both, ledger):
    site, desk = both
    build, message = await desk.held()
    body, headers = signed(pressed(buttons(message)["reject"], desk.slack))
    await refused(site, body.replace(b"reject", b"approve"), headers)
    await refused(site, body + b" ", headers)
    assert await desk.state(build) is WAITS
    ledger.tried("tampered requests", 2, threat=THREAT)


@pytest.mark.parametrize(
    "change",
    [
        {"x-slack-signature": "v0=" + "0" * 64},
        {"x-slack-signature": ""},
        {"x-slack-signature": "v0=é"},
        {"x-slack-request-timestamp": ""},
        {"x-slack-request-timestamp": "soon"},
        {"x-slack-request-timestamp": "-1"},
        {"x-slack-request-timestamp": "9" * 400},
    ],
)
async def test_a_forged_or_missing_signature_is_refused(both, change, ledger):
    site, desk = both
    build, button = await desk.button("approve")
    body, headers = signed(pressed(button, desk.slack))
    await refused(site, body, {**headers, **change})
    assert await desk.state(build) is WAITS
    ledger.tried("forged signatures", threat=THREAT)


async def test_another_secret_is_refused(both, ledger):
    site, desk = both
    build, button = await desk.button("approve")
    await refused(site, *signed(pressed(button, desk.slack), secret="f" * 32))
    assert await desk.state(build) is WAITS
    ledger.tried("forged signatures", threat=THREAT)


@pytest.mark.parametrize("off", [-310, 310, -86400])
async def test_a_request_of_another_time_is_refused(both, off, ledger):
    site, desk = both
    build, button = await desk.button("approve")
    await refused(site, *signed(pressed(button, desk.slack), at=time.time() + off))
    assert await desk.state(build) is WAITS
    ledger.tried("stale requests", threat=THREAT)


async def test_a_replay_is_refused(both, ledger):
    site, desk = both
    build, button = await desk.button("approve")
    request = signed(pressed(button, desk.slack, user="U2"))
    assert (await send(site, *request))[0] == 200
    await refused(site, *request)
    assert await desk.state(build) is WAITS
    ledger.tried("replays", threat=THREAT)


async def test_a_body_without_end_is_refused(both):
    site, _ = both
    body, headers = signed({"type": "block_actions", "padding": "x" * (64 << 10)})
    assert (await send(site, body, headers))[0] == 413


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": "block_actions", "actions": []},
        {"type": "block_actions", "actions": [{"action_id": "approve", "value": "no json"}]},
        {"type": "block_actions", "user": {"id": "<!channel>"}, "channel": {"id": "C1"},
         "actions": [{"action_id": "approve", "value": "{}"}]},
        {"type": "view_submission", "view": {"callback_id": "revise"}},
        {"type": "view_submission", "view": []},
    ],
)  # fmt: skip
async def test_a_signed_payload_that_makes_no_sense_is_invalid_and_no_fault_of_ours(both, payload):
    site, _ = both
    status, reply = await press(site, payload)
    assert (status, reply["error"]["code"]) == (400, "INVALID_INPUT")


async def test_a_signed_body_without_a_payload_is_invalid(both):
    site, _ = both
    for payload in ([1], "text", None):
        assert (await press(site, payload))[0] == 400


async def test_without_a_signing_secret_the_address_says_how_to_get_one(site):
    status, reply = await send(site, *signed({"type": "block_actions"}))
    assert (status, reply["error"]["code"]) == (404, "NOT_CONFIGURED")
    assert "SLACK_SIGNING_SECRET" in reply["error"]["details"]["hint"]


async def test_a_press_while_the_disk_is_slow_is_answered_in_time_and_counts_all_the_same(tmp_path, slack):
    """The commit is held until the answer is there: only an answer that does not wait for it can come."""
    configuration, gate = configured(slack), asyncio.Event()

    class Slow:
        def __init__(self, commands: Any) -> None:
            self._commands = commands

        async def approve(self, *given: Any, **named: Any) -> Any:
            await gate.wait()
            return await self._commands.approve(*given, **named)

    async with aiohttp.ClientSession() as session:

        def lent(world: Any) -> dict[str, Any]:
            slow = slack_clicks(
                configuration, session, Slow(world.commands), world.store.builds, patience=0.05
            )
            return {"clicks": slow, "slack_signing_secret": SIGNING}

        async with serving(tmp_path, api=lent) as site, office(slack, site.world, configuration) as desk:
            build, button = await desk.button("approve")
            async with asyncio.timeout(PATIENCE):
                assert await press(site, pressed(button, slack)) == (200, "")
            assert await desk.state(build) is WAITS
            gate.set()
            assert (await desk.world.until(build.id)).state in FINISHED
            await site.api.clicks.aclose()
