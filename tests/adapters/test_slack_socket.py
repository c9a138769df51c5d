"""Socket Mode: clicks without an address of one's own, through every kind of broken connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
import structlog

from executor.adapters.slack_api import SlackApi
from executor.adapters.slack_socket import SlackSocket
from executor.domain.retry import RetryPolicy
from executor.errors import Invalid
from tests.fakes.slack import APP, FakeSlack

QUICK = RetryPolicy(first=0.001, longest=0.01, patience=float("inf"))


class Handler:
    """Remembers payloads, and answers as it is told to."""

    def __init__(self, answer: Any = None) -> None:
        self.payloads: list[Mapping[str, Any]] = []
        self.answer = answer

    async def __call__(self, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
        self.payloads.append(payload)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@asynccontextmanager
async def listening(slack: FakeSlack, handler: Handler, token: str = APP) -> AsyncIterator[None]:
    async with aiohttp.ClientSession() as session:
        api = SlackApi(session, token, slack.api_url, timeout=5)
        task = asyncio.create_task(SlackSocket(session, api, handler, QUICK).run())
        try:
            yield
        finally:
            assert not task.done(), task.exception()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as fake:
        yield fake


def envelope(number: int = 1, **more: Any) -> dict[str, Any]:
    payload = {"type": "block_actions", "number": number}
    return {"type": "interactive", "envelope_id": f"e{number}", "payload": payload, **more}


async def sent(slack: FakeSlack, number: int = 1, **more: Any) -> dict[str, Any]:
    """Send an envelope and wait for its acknowledgement."""
    await slack.send(envelope(number, **more))
    await slack.until(lambda: any(ack["envelope_id"] == f"e{number}" for ack in slack.acks))
    return next(ack for ack in slack.acks if ack["envelope_id"] == f"e{number}")


async def test_an_envelope_is_handled_and_acknowledged(slack):
    handler = Handler()
    async with listening(slack, handler):
        await slack.until(lambda: slack.opened == 1)
        assert await sent(slack) == {"envelope_id": "e1"}
    assert [payload["number"] for payload in handler.payloads] == [1]


async def test_what_a_form_is_answered_goes_with_the_acknowledgement_where_it_is_taken(slack):
    problem = {"response_action": "errors", "errors": {"what": "no"}}
    async with listening(slack, Handler(problem)):
        await slack.until(lambda: slack.opened == 1)
        told = await sent(slack, 1, accepts_response_payload=True)
        untold = await sent(slack, 2, accepts_response_payload=False)
    assert told == {"envelope_id": "e1", "payload": problem}
    assert untold == {"envelope_id": "e2"}


async def test_a_payload_that_makes_no_sense_is_acknowledged_and_ends_nothing(slack):
    handler = Handler(Invalid("It is malformed."))
    async with listening(slack, handler):
        await slack.until(lambda: slack.opened == 1)
        assert await sent(slack) == {"envelope_id": "e1"}
        handler.answer = None
        assert await sent(slack, 2) == {"envelope_id": "e2"}


@pytest.mark.parametrize(
    "odd", [{"type": "events_api", "envelope_id": "e9"}, {"type": "odd"}, {}, [], "text"]
)
async def test_an_odd_envelope_ends_nothing_and_reaches_nobody(slack, odd):
    handler = Handler()
    async with listening(slack, handler):
        await slack.until(lambda: slack.opened == 1)
        await slack.send(odd)
        await sent(slack)
    assert len(handler.payloads) == 1


async def test_a_cut_connection_is_opened_again(slack):
    handler = Handler()
    async with listening(slack, handler):
        for number in range(1, 4):
            await slack.until(lambda number=number: slack.opened == number)
            await sent(slack, number)
            await slack.cut()
        await slack.until(lambda: slack.opened == 4)
        await sent(slack, 4)
    assert len(handler.payloads) == 4


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_slacks_wish_for_a_new_connection_is_followed(slack, reason):
    async with listening(slack, Handler()):
        await slack.until(lambda: slack.opened == 1)
        await slack.send({"type": "disconnect", "reason": reason})
        await slack.until(lambda: slack.opened == 2)
        await sent(slack)


async def test_it_comes_back_after_every_kind_of_trouble(slack):
    slack.faults = [500, 429, "drop", "internal_error", "invalid_auth", 200]
    slack.retry_after = "1"
    async with listening(slack, Handler()):
        await slack.until(lambda: slack.opened == 1)
        await sent(slack)
    assert len(slack.of("apps.connections.open")) == 7


async def test_a_slack_that_is_away_is_waited_for(slack):
    await slack.__aexit__(None, None, None)
    async with listening(slack, Handler()), FakeSlack(port=slack.port) as again:
        await again.until(lambda: again.opened == 1)
        await sent(again)


async def test_socket_mode_that_is_turned_off_and_a_wrong_token_are_said_in_the_log(slack):
    with structlog.testing.capture_logs() as logs:
        async with listening(slack, Handler()):
            await slack.until(lambda: slack.opened == 1)
            await slack.send({"type": "disconnect", "reason": "link_disabled"})
            await slack.until(lambda: slack.opened == 2)
        async with listening(slack, Handler(), token="xapp-wrong"):
            count = len(slack.calls)
            await slack.until(lambda: len(slack.calls) >= count + 2)
    reasons = [entry["reason"] for entry in logs if entry["event"] == "slack_socket_refused"]
    assert any("turned off" in reason for reason in reasons)
    assert any("invalid_auth" in reason for reason in reasons)


async def test_each_failure_in_a_row_waits_longer_and_a_connection_begins_anew(slack):
    slack.faults = [500, 503, "internal_error"]
    with structlog.testing.capture_logs() as logs:
        async with listening(slack, Handler()):
            await slack.until(lambda: slack.opened == 1)
            await sent(slack)
            await slack.cut()
            await slack.until(lambda: slack.opened == 2)
    assert [entry["tries"] for entry in logs if entry["event"] == "slack_socket_away"] == [1, 2, 3, 1]


async def test_waits_between_tries_grow_to_the_longest_and_never_end():
    policy = RetryPolicy(first=1.0, longest=120.0, patience=float("inf"))
    waits = [policy.wait(tries, 0.0, retry_after=None, spread=0.5) for tries in range(40)]
    assert waits[:3] == [1.0, 2.0, 4.0]
    assert waits[-1] == 120.0
