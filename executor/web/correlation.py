"""The outermost middleware: request ids, trace ids, the access log, and a last net under everything."""

from __future__ import annotations

import re
import secrets
import time
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from executor.web.envelope import unexpected_response
from executor.web.traffic import Traffic

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:\-]{1,128}")
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_HEAD = {"http.response.start", "websocket.accept", "websocket.http.response.start"}
_UNLOGGED = {"/livez"}
_SAFE = {"GET", "HEAD"}


class Correlation:
    """Gives every request an id, binds it to the log lines of its task and echoes it.

    Reads that succeed are logged at debug: pollers would bury everything else in the journal.
    """

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app = app
        self._traffic = traffic
        # Bound once: a lazy logger is put together anew for every line, also for those that are not written.
        self._log = structlog.get_logger("executor.access").bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = scope["fpai.headers"] = dict(scope["headers"])
        echoed = self._identify(scope, headers)
        exchange = _Exchange(send, echoed)
        started = time.perf_counter()
        try:
            await self._app(scope, receive, exchange.send)
        except Exception:
            self._log.exception("unexpected_error", method=scope.get("method"), path=scope["path"])
            await exchange.fail(scope, receive)
        finally:
            self._account(scope, exchange.status, time.perf_counter() - started)

    def _identify(self, scope: Scope, headers: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        given = headers.get(b"x-request-id", b"")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8).encode()
        scope["fpai.request_id"] = text = request_id.decode()
        echoed = [(b"x-request-id", request_id), (b"x-content-type-options", b"nosniff")]
        trace = headers.get(b"traceparent", b"")
        match = _TRACEPARENT.fullmatch(trace) if trace else None
        if match:
            echoed.append((b"traceparent", trace))
            structlog.contextvars.bind_contextvars(request_id=text, trace_id=match[1].decode())
        else:
            structlog.contextvars.bind_contextvars(request_id=text)
        return echoed

    def _account(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"]
        if scope["type"] == "websocket":
            self._log.debug("websocket_closed", path=path, status=status, ms=round(seconds * 1000, 1))
            return
        self._traffic.note(status, seconds)
        self._traffic.routes.note(scope, status, seconds)
        if path in _UNLOGGED:
            return
        write = self._log.debug if status < 400 and scope["method"] in _SAFE else self._log.info
        write("request", method=scope["method"], path=path, status=status, ms=round(seconds * 1000, 1))


class _Exchange:
    """One request's reply on its way out."""

    __slots__ = ("_echoed", "_send", "begun", "status")

    def __init__(self, send: Send, echoed: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._echoed = echoed
        self.begun = False
        self.status = 499  # the caller left before an answer was there

    async def send(self, message: Message) -> None:
        if message["type"] in _HEAD:
            self.begun = True
            self.status = message.get("status", 101)
            message["headers"] = [*message.get("headers", ()), *self._echoed]
        await self._send(message)

    async def fail(self, scope: Scope, receive: Receive) -> None:
        """Answer 500 if nothing was answered yet; a reply that had begun is cut off."""
        if self.begun:
            self.status = 500
        elif scope["type"] == "http":
            await unexpected_response(scope["fpai.request_id"])(scope, receive, self._as_any())
        else:
            await self._send({"type": "websocket.close", "code": 1011})

    def _as_any(self) -> Any:
        return self.send
