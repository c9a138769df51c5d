"""Slack on loopback: its web API, an incoming webhook, response URLs and Socket Mode, with faults."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from aiohttp import WSMsgType, web

from tests.patience import PATIENCE

BOT, APP, SIGNING = "xoxb-1", "xapp-1", "8f742231b10e8888abcd99yyyzzz85a5"


@dataclass(frozen=True)
class Call:
    """One request: `method` is Slack's name for it, `webhook` or `response`."""

    method: str
    fields: dict[str, Any]
    token: str = ""


@dataclass
class FakeSlack:
    """`async with FakeSlack() as slack:` serves at `slack.url`; `messages` are what the channel shows, by ts.

    `faults` are used up one a call: a status (with `retry_after`), a word that Slack refuses with, `drop` (it
    is done, and the answer never comes), or `hang` (nothing is done nor answered until `go_on` is set).
    """

    port: int = 0
    faults: list[int | str] = field(default_factory=list)
    retry_after: str = ""
    calls: list[Call] = field(default_factory=list)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    acks: list[dict[str, Any]] = field(default_factory=list)
    opened: int = 0
    url: str = ""

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._more = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self._sockets: list[web.WebSocketResponse] = []

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    @property
    def webhook_url(self) -> str:
        return f"{self.url}/services/T1/B1/x"

    @property
    def response_url(self) -> str:
        return f"{self.url}/actions/T1/1/x"

    def of(self, method: str) -> list[dict[str, Any]]:
        return [call.fields for call in self.calls if call.method == method]

    async def until(self, holds: Any) -> None:
        """Wait until something is true of this Slack."""
        async with asyncio.timeout(PATIENCE), self._more:
            await self._more.wait_for(holds)

    async def send(self, envelope: dict[str, Any]) -> None:
        """Over the newest Socket Mode connection."""
        await self._sockets[-1].send_json(envelope)

    async def cut(self) -> None:
        """End every Socket Mode connection as a network does: without a word."""
        for socket in self._sockets:
            if socket._req is not None and socket._req.transport is not None:
                socket._req.transport.abort()
        self._sockets.clear()

    async def __aenter__(self) -> FakeSlack:
        app = web.Application()
        app.router.add_post("/api/apps.connections.open", self._connections_open)
        app.router.add_post("/api/{method}", self._method)
        app.router.add_post("/services/{path:.*}", self._webhook)
        app.router.add_post("/actions/{path:.*}", self._response)
        app.router.add_get("/link", self._link)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_on.set()
        await self.cut()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _heard(self, method: str, request: web.Request) -> tuple[dict[str, Any], web.Response | str]:
        fields = json.loads(await request.text() or "{}")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        async with self._more:
            self.calls.append(Call(method, fields, token))
            self._more.notify_all()
        fault = self.faults.pop(0) if self.faults else ""
        if isinstance(fault, int):
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return fields, web.Response(status=fault, text="<html>no</html>", headers=headers)
        if fault == "hang":
            await self.go_on.wait()
            return fields, web.Response(status=503)
        return fields, fault

    async def _connections_open(self, request: web.Request) -> web.Response:
        _, fault = await self._heard("apps.connections.open", request)
        if isinstance(fault, web.Response):
            return fault
        if request.headers["Authorization"] != f"Bearer {APP}":
            fault = "invalid_auth"
        if fault:
            return web.json_response({"ok": False, "error": fault})
        return web.json_response({"ok": True, "url": f"{self.url.replace('http', 'ws', 1)}/link"})

    async def _method(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        fields, fault = await self._heard(method, request)
        if isinstance(fault, web.Response):
            return fault
        if fault != "drop" and request.headers["Authorization"] != f"Bearer {BOT}":
            fault = "invalid_auth"
        if fault and fault != "drop":
            return web.json_response({"ok": False, "error": fault})
        answer = self._done(method, fields)
        if fault == "drop" and request.transport is not None:
            request.transport.abort()
        return web.json_response(answer)

    def _done(self, method: str, fields: dict[str, Any]) -> dict[str, Any]:
        if method == "chat.postMessage":
            ts = f"1700000000.{next(self._numbers):06d}"
            self.messages[ts] = fields
            return {"ok": True, "channel": "C1", "ts": ts}
        if method == "chat.update":
            if fields["ts"] not in self.messages:
                return {"ok": False, "error": "message_not_found"}
            self.messages[fields["ts"]] = fields
        return {"ok": True, "team": "Full Potential"}

    async def _webhook(self, request: web.Request) -> web.Response:
        fields, fault = await self._heard("webhook", request)
        if isinstance(fault, web.Response):
            return fault
        if fault and fault != "drop":
            return web.Response(status=404, text=fault)
        self.messages[f"1700000000.{next(self._numbers):06d}"] = fields
        if fault == "drop" and request.transport is not None:
            request.transport.abort()
        return web.Response(text="ok")

    async def _response(self, request: web.Request) -> web.Response:
        _, fault = await self._heard("response", request)
        return fault if isinstance(fault, web.Response) else web.Response(text="ok")

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": 1})
        self._sockets.append(socket)
        async with self._more:
            self.opened += 1
            self._more.notify_all()
        with suppress(ConnectionError):
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    async with self._more:
                        self.acks.append(message.json())
                        self._more.notify_all()
        return socket


def signed(
    payload: dict[str, Any], *, at: float | None = None, secret: str = SIGNING
) -> tuple[bytes, dict[str, str]]:
    """The body and headers of a click as Slack sends it, computed here from Slack's own description."""
    body = urlencode({"payload": json.dumps(payload)}).encode()
    moment = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), b"v0:" + moment.encode() + b":" + body, hashlib.sha256).hexdigest()
    return body, {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": moment,
        "x-slack-signature": f"v0={digest}",
    }


def pressed(
    button: dict[str, Any], slack: FakeSlack, *, user: str = "U1", channel: str = "C1"
) -> dict[str, Any]:
    """The payload of somebody pressing a button of a message."""
    return {
        "type": "block_actions",
        "user": {"id": user, "username": "somebody"},
        "channel": {"id": channel, "name": "builds"},
        "trigger_id": "13345224609.738474920.8088930838d88f008e0",
        "response_url": slack.response_url,
        "message": {"ts": "1", "blocks": []},
        "actions": [{**button, "block_id": "decide", "action_ts": "1"}],
    }


def written(view: dict[str, Any], feedback: str, *, user: str = "U1") -> dict[str, Any]:
    """The payload of somebody sending the form that `views.open` showed."""
    (block,) = [b for b in view["blocks"] if b["type"] == "input"]
    values = {block["block_id"]: {block["element"]["action_id"]: {"value": feedback}}}
    return {"type": "view_submission", "user": {"id": user}, "view": {**view, "state": {"values": values}}}


def buttons(message: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The buttons of a message by their id."""
    rows = [block["elements"] for block in message["blocks"] if block["type"] == "actions"]
    return {button["action_id"]: button for row in rows for button in row}
