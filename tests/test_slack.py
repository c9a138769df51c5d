"""Slack as the configuration makes it, from the checkpoint to the message, the click and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from executor.domain.build import State
from executor.settings_tables import Server
from executor.slack import buttons_of, lacks_for_clicks, slack_clicks, slack_socket
from tests.engine.conftest import World, running_world
from tests.fakes.slack import APP, BOT, SIGNING, FakeSlack, buttons, pressed, written
from tests.fakes.slack_office import BY_SOCKET, SECRETS, Office, configured, office


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as fake:
        yield fake


@pytest.mark.parametrize(
    ("secrets", "table", "clicks", "revise"),
    [
        (SECRETS, {}, True, True),
        (BY_SOCKET, {}, True, True),
        (SECRETS, {"approvers": []}, False, False),
        ({"SLACK_BOT_TOKEN": BOT}, {}, False, False),
        ({"SLACK_WEBHOOK_URL": "http://x/", "SLACK_SIGNING_SECRET": SIGNING}, {}, True, False),
    ],
)
async def test_buttons_are_there_where_clicks_arrive_and_somebody_may_click(
    slack, secrets, table, clicks, revise
):
    configuration = configured(slack, secrets, **table)
    made = buttons_of(configuration, configuration.channels["slack"])
    assert (made.clicks, made.revise) == (clicks, revise)


async def test_a_daemon_without_a_public_address_needs_socket_mode(slack):
    configuration = configured(slack)
    local = configuration.settings.model_copy(update={"server": Server()})
    assert "public_url" in lacks_for_clicks(replace(configuration, settings=local))
    assert lacks_for_clicks(replace(configured(slack, BY_SOCKET), settings=local)) == ""


async def test_without_a_way_in_nothing_listens(slack):
    async with aiohttp.ClientSession() as session:
        silent = configured(slack, {"SLACK_BOT_TOKEN": BOT})
        assert slack_clicks(silent, session, None, None) is None
        by_hook = configured(slack)
        clicks = slack_clicks(by_hook, session, None, None)
        assert clicks is not None
        assert slack_socket(by_hook, session, clicks) is None
        assert slack_socket(configured(slack, {"SLACK_APP_TOKEN": APP}), session, clicks) is not None


async def test_the_webhook_tells_where_the_bot_has_no_channel(slack, tmp_path):
    secrets = {"SLACK_WEBHOOK_URL": slack.webhook_url, "SLACK_BOT_TOKEN": BOT}
    async with (
        running_world(tmp_path) as world,
        office(slack, world, configured(slack, secrets, channel="")) as desk,
    ):
        await desk.held()
        assert [call.method for call in slack.calls] == ["webhook"]


@asynccontextmanager
async def connected(slack: FakeSlack, directory: Path, **options: Any) -> AsyncIterator[Office]:
    """A world whose clicks come over Socket Mode."""
    configuration = configured(slack, BY_SOCKET)
    async with (
        running_world(directory, has_model=True, **options) as world,
        office(slack, world, configuration) as desk,
        aiohttp.ClientSession() as session,
    ):
        clicks = slack_clicks(configuration, session, world.commands, world.store.builds)
        socket = slack_socket(configuration, session, clicks)
        task = asyncio.create_task(socket.run())
        opened = slack.opened
        await slack.until(lambda: slack.opened > opened)
        try:
            yield desk
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await clicks.aclose()


async def send(slack: FakeSlack, payload: dict[str, Any]) -> dict[str, Any]:
    number = len(slack.acks) + 1
    await slack.send(
        {
            "type": "interactive",
            "envelope_id": f"e{number}",
            "payload": payload,
            "accepts_response_payload": True,
        }
    )
    await slack.until(lambda: len(slack.acks) >= number)
    return slack.acks[-1]


async def test_over_socket_mode_a_press_decides_and_the_message_is_changed(slack, tmp_path):
    async with connected(slack, tmp_path) as desk:
        build, button = await desk.button("approve")
        await send(slack, pressed(button, slack))
        await desk.world.until(build.id)
        assert await desk.deciders(build) == ["slack:U1"]
        await desk.deliveries.look()
        assert buttons(next(iter(slack.messages.values()))) == {}


async def test_over_socket_mode_a_form_is_shown_and_refused_as_by_request(slack, tmp_path):
    async with connected(slack, tmp_path) as desk:
        build, button = await desk.button("revise")
        await send(slack, pressed(button, slack))
        await slack.until(lambda: slack.of("views.open"))
        ack = await send(slack, written(slack.of("views.open")[0]["view"], "More", user="U2"))
        assert "approvers" in ack["payload"]["errors"]["what"]
        assert await desk.state(build) is State.WAITING_APPROVAL


async def decided_elsewhere(world: World, build: Any, decision: str, by: str) -> None:
    said = {"checkpoint": None, "feedback": "", "gate_id": build.hold["gate_id"]}
    await world.commands.approve(build.id, decision=decision, by=by, **said)


@pytest.mark.parametrize(
    ("by", "said"), [("", "Rejected*, "), ("mail:a@b.example", "Rejected* by a@b.example by mail")]
)
async def test_a_decision_on_the_page_or_by_mail_takes_the_buttons_away(slack, tmp_path, by, said):
    async with running_world(tmp_path) as world, office(slack, world, configured(slack)) as desk:
        build, _ = await desk.held()
        await decided_elsewhere(world, build, "reject", by)
        await desk.deliveries.look()
        (message,) = slack.messages.values()
        assert buttons(message) == {}
        assert said in message["blocks"][-1]["elements"][0]["text"]


async def test_a_cancel_takes_the_buttons_away_and_is_told(slack, tmp_path):
    async with running_world(tmp_path) as world, office(slack, world, configured(slack)) as desk:
        build, _ = await desk.held()
        await world.commands.cancel(build.id)
        await desk.deliveries.look()
        asked, told = slack.messages.values()
        assert buttons(asked) == {}
        assert "Build Cancelled" in told["blocks"][0]["text"]["text"]


async def test_a_restart_between_the_question_and_the_decision_changes_the_same_message(slack, tmp_path):
    async with running_world(tmp_path) as world, office(slack, world, configured(slack)) as desk:
        build, _ = await desk.held()
    async with running_world(tmp_path) as world, office(slack, world, configured(slack)) as desk:
        await decided_elsewhere(world, build, "reject", "slack:U1")
    async with running_world(tmp_path) as world, office(slack, world, configured(slack)) as desk:
        await desk.deliveries.look()
        (message,) = slack.messages.values()
        assert buttons(message) == {}


async def test_a_restart_before_the_question_was_told_loses_nothing_and_a_click_then_decides(slack, tmp_path):
    async with running_world(tmp_path) as world:
        build = await world.submit(approval_mode="final", notify_channels=("slack",))
        await world.until(build.id, State.WAITING_APPROVAL)
    async with connected(slack, tmp_path) as desk:
        await desk.deliveries.look()
        (message,) = slack.messages.values()
        await send(slack, pressed(buttons(message)["approve"], slack))
        await desk.world.until(build.id)
        assert await desk.deciders(build) == ["slack:U1"]


async def test_a_message_that_slack_took_without_saying_so_is_told_again_marked_after_a_restart(
    slack, tmp_path
):
    slack.faults = ["drop"]
    async with running_world(tmp_path) as world, office(slack, world, configured(slack)) as desk:
        build, _ = await desk.held()
    async with running_world(tmp_path) as world, office(slack, world, configured(slack), ahead=600) as desk:
        await desk.deliveries.look()
        sure, maybe = slack.messages.values()
        assert "repeat" not in sure["text"]
        assert maybe["text"].startswith("(possible repeat)")
        await decided_elsewhere(world, build, "reject", "")
        await desk.deliveries.look()
        assert [bool(buttons(message)) for message in slack.messages.values()] == [True, False]


async def test_a_slack_that_is_down_holds_up_no_build_and_is_told_when_it_is_back(slack, tmp_path):
    configuration = configured(slack)
    await slack.__aexit__(None, None, None)
    async with running_world(tmp_path) as world:
        build = await world.submit(notify_channels=("slack",))
        assert (await world.until(build.id)).state is State.COMPLETE
        async with office(slack, world, configuration) as desk:
            await desk.deliveries.look()
        async with (
            FakeSlack(port=slack.port) as again,
            office(again, world, configuration, ahead=600) as desk,
        ):
            await desk.deliveries.look()
            (message,) = again.messages.values()
            assert "Build Complete" in message["text"]
