"""What both registry fakes share: served on loopback, they log what they are asked and fail on demand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Self

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.Response]]
Around = Callable[[web.Request, Handler], Awaitable[web.Response]]


class ServedRegistry:
    """`async with Fake() as registry:` serves at `registry.url`.

    `requests` logs (method, path, body). `fail(n)` answers n requests with 500 before doing anything;
    `drop(n)` does the next n writes and cuts the connection instead of answering; `answer` replaces every
    answer; while `away` every connection is cut and nothing is done. `around` sees every request pass.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: web.Response | None = None
        self.away = False
        self.around: Around = _pass
        self.url = ""
        self._failures = 0
        self._drops = 0
        self._runner: web.AppRunner | None = None

    def routes(self) -> Iterable[web.RouteDef]:
        raise NotImplementedError

    def fail(self, count: int = 1) -> None:
        self._failures = count

    def drop(self, count: int = 1) -> None:
        self._drops = count

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [(method, path) for method, path, _ in self.requests if method != "GET"]

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._log])
        app.router.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _log(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.method, request.path, body))
        self.headers.append(dict(request.headers))
        if self.away:
            _cut(request)
            return web.Response()
        if self._failures:
            self._failures -= 1
            return web.json_response({"error": {"code": "INTERNAL_ERROR"}}, status=500)
        if self.answer is not None:
            return self.answer
        response = await self.around(request, handler)
        if self._drops and request.method != "GET":
            self._drops -= 1
            _cut(request)
        return response


async def _pass(request: web.Request, handler: Handler) -> web.Response:
    return await handler(request)


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
