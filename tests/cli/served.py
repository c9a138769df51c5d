"""A fake daemon that really listens, and can go away and come back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from tests.cli.fake_daemon import FakeDaemon


class Served:
    """A FakeDaemon on a port, in a thread of its own; it can be stopped and started on the same port."""

    def __init__(self) -> None:
        self.fake = FakeDaemon()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    def stop(self) -> None:
        """End at once, links included, as a killed daemon does."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        self.fake.ends = asyncio.Event()
        self._runner = web.AppRunner(self.fake.app(), shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        server: Any = site._server
        self.port = server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._runner is not None:
            self.fake.ends.set()
            for site in list(self._runner.sites):
                await site.stop()
            # A link that was just being accepted takes some rounds of the loop to be known, and then closed.
            await self._rounds()
            await self._runner.cleanup()
            await self._rounds()
            self._runner = None

    async def _rounds(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


@contextmanager
def serving() -> Iterator[Served]:
    served = Served()
    served.start()
    try:
        yield served
    finally:
        served.close()
