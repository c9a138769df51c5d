"""Somebody on loopback who takes messages: a service that waits for an answer, or a dashboard."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from aiohttp import web

from tests.patience import PATIENCE


@dataclass(frozen=True)
class Heard:
    path: str
    body: Any
    headers: dict[str, str]


class FakeReceiver:
    """`async with FakeReceiver() as receiver:` serves at `receiver.url`; `heard` are all requests.

    `statuses` are answered in turn, then 200. `drop(n)` hears the next n and cuts the connection. While
    `held` is not set, every request is kept waiting.
    """

    def __init__(self, port: int = 0) -> None:
        self.heard: list[Heard] = []
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.held = asyncio.Event()
        self.held.set()
        self.url = ""
        self._drops = 0
        self._port = port
        self._more = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    @property
    def payloads(self) -> list[Any]:
        return [heard.body["payload"] for heard in self.heard]

    def drop(self, count: int = 1) -> None:
        self._drops = count

    async def until(self, count: int) -> list[Heard]:
        """Wait until so many requests were heard."""
        async with asyncio.timeout(PATIENCE), self._more:
            await self._more.wait_for(lambda: len(self.heard) >= count)
        return self.heard

    async def __aenter__(self) -> FakeReceiver:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._hear)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _hear(self, request: web.Request) -> web.Response:
        heard = Heard(request.path, await request.json(), dict(request.headers))
        async with self._more:
            self.heard.append(heard)
            self._more.notify_all()
        await self.held.wait()
        if self._drops:
            self._drops -= 1
            if request.transport is not None:
                request.transport.abort()
        status = self.statuses.pop(0) if self.statuses else 200
        return web.Response(text="thanks", status=status, headers=self.headers)
