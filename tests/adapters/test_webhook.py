"""Standard Webhooks: what is sent can be checked by anybody who has the secret, and repeats are marked."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from executor.adapters.webhook import WebhookChannel
from executor.errors import Permanent, Transient
from tests.fakes.notices import notice

SECRET = b"a secret of some length"
NOW = 1_800_000_000.0


class Receiver:
    """An address that keeps what it is sent; `answers` are the next statuses, with headers.

    While `held` is not set it answers nothing.
    """

    def __init__(self) -> None:
        self.url = ""
        self.held = asyncio.Event()
        self.held.set()
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.drops = 0

    async def take(self, request: web.Request) -> web.Response:
        self.heard.append(({k.lower(): v for k, v in request.headers.items()}, await request.read()))
        await self.held.wait()
        if self.drops:
            self.drops -= 1
            assert request.transport is not None
            request.transport.close()
        status, headers = self.answers.pop(0) if self.answers else (204, {})
        return web.Response(status=status, headers=headers)


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, WebhookChannel]]:
    receiver, app = Receiver(), web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    async with aiohttp.ClientSession() as session:
        yield receiver, WebhookChannel(session, receiver.url, SECRET, lambda: NOW)
    await runner.cleanup()


async def tell(channel: WebhookChannel, *, repeat: bool = False) -> None:
    await channel.tell(notice(), key="notify-ops-1", may_be_repeat=repeat, earlier=None)


async def test_the_signature_is_the_specifications(receiver):
    heard, channel = receiver
    await tell(channel)
    ((headers, body),) = heard.heard
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = hmac.new(SECRET, signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
    assert headers["webhook-timestamp"] == str(int(NOW))
    event = json.loads(body)
    assert (event["type"], event["data"]["droplet_id"]) == ("build.completed", 11)
    assert "repeat" not in event["data"]


async def test_a_dropped_reply_is_sent_again_under_the_same_id_and_says_that_it_may_be_a_repeat(receiver):
    heard, channel = receiver
    heard.drops = 1
    with pytest.raises(Transient):
        await tell(channel)
    await tell(channel, repeat=True)
    (first, _), (second, body) = heard.heard
    assert first["webhook-id"] == second["webhook-id"] == "notify-ops-1"
    assert json.loads(body)["data"]["repeat"] is True


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
async def test_a_receiver_that_is_not_well_is_asked_again(receiver, status):
    heard, channel = receiver
    heard.answers = [(status, {"Retry-After": "7"})]
    with pytest.raises(Transient) as refused:
        await tell(channel)
    assert refused.value.retry_after == 7.0


@pytest.mark.parametrize(
    ("status", "headers"), [(400, {}), (401, {}), (410, {}), (302, {"Location": "/else"})]
)
async def test_a_refusal_and_a_redirect_are_final_and_nothing_is_followed(receiver, status, headers):
    heard, channel = receiver
    heard.answers = [(status, headers)]
    with pytest.raises(Permanent, match=str(status)):
        await tell(channel)
    assert len(heard.heard) == 1


async def test_a_receiver_that_says_nothing_is_asked_again(receiver):
    heard, _ = receiver
    heard.held.clear()
    async with aiohttp.ClientSession() as session:
        slow = WebhookChannel(session, heard.url, SECRET, lambda: NOW, timeout=0.2)
        with pytest.raises(Transient, match="does not answer"):
            await tell(slow)
    heard.held.set()


async def test_an_address_where_nobody_listens_is_tried_again():
    async with aiohttp.ClientSession() as session:
        with pytest.raises(Transient):
            await tell(WebhookChannel(session, "http://127.0.0.1:9/hook", SECRET, lambda: NOW))
