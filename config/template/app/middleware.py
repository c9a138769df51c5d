"""What happens around every request: its id, its headers, its log line, its limits."""

import logging
import time
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.context import REQUEST_ID, accepted_request_id
from app.errors import error_response
from app.traffic import Traffic

SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
WINDOW_SECONDS: Final = 60
MAX_CLIENTS: Final = 10_000

logger = logging.getLogger(__name__)


class RequestContextMiddleware:
    """Gives a request its id, adds the headers, counts and logs the answer.

    It also turns an unexpected exception into a generic 500: nothing of it leaves the process.
    """

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app = app
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything that is not HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = accepted_request_id(Headers(scope=scope).get("x-request-id", ""))
        token = REQUEST_ID.set(request_id)
        try:
            await self._serve(scope, receive, send, request_id)
        finally:
            REQUEST_ID.reset(token)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except Exception:
            logger.exception("request_failed")
            if status:
                raise
            answer = error_response(500, "The droplet could not serve this request.")
            await answer(scope, receive, send_marked)
        finally:
            seconds = time.perf_counter() - started
            self._traffic.record(scope["method"], status, seconds)
            _log_access(scope, status, seconds)


def _log_access(scope: Scope, status: int, seconds: float) -> None:
    fields = {
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "duration_ms": round(1000 * seconds, 2),
    }
    logger.info("request_served", extra={"fields": fields})


class LimitsMiddleware:
    """Bounds what one client may send: requests a minute and bytes in a body.

    Paths in `unlimited` are not counted. A client without an address came through a local
    socket, whose listener is the one to limit it.
    """

    def __init__(
        self, app: ASGIApp, per_minute: int, max_body: int, unlimited: frozenset[str]
    ) -> None:
        self._app = app
        self._per_minute = per_minute
        self._max_body = max_body
        self._unlimited = unlimited
        self._window = 0
        self._counts: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or answer 413 or 429."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._too_many(scope):
            wait = {"Retry-After": str(WINDOW_SECONDS)}
            answer = error_response(429, "Too many requests in this minute.", headers=wait)
            await answer(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > self._max_body:
            await error_response(413, self._too_large())(scope, receive, send)
            return
        await self._app(scope, self._bounded(receive), send)

    def _too_many(self, scope: Scope) -> bool:
        client = scope.get("client")
        if scope["path"] in self._unlimited or not client or not client[0]:
            return False
        window = int(time.monotonic() / WINDOW_SECONDS)
        if window != self._window or len(self._counts) > MAX_CLIENTS:
            self._window, self._counts = window, {}
        count = self._counts.get(client[0], 0) + 1
        self._counts[client[0]] = count
        return count > self._per_minute

    def _bounded(self, receive: Receive) -> Receive:
        seen = 0

        async def receive_bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_body:
                raise HTTPException(413, self._too_large())
            return message

        return receive_bounded

    def _too_large(self) -> str:
        return f"The body may hold at most {self._max_body} bytes."
