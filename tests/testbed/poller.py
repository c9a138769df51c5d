"""A client that asks a service a hundred times a second and counts every answer that it does not get."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import TracebackType

import aiohttp

_WORKERS = 8
_PAUSE = 0.08  # of each worker; together a hundred requests a second
_PATIENCE = 10.0


class Poller:
    """`async with Poller(url) as poller:`; half of its requests use a new connection, half one that is kept.

    `failures` holds what went wrong in words, `served` how often each release has answered.
    """

    def __init__(self, url: str, path: str = "/health") -> None:
        self._url = url + path
        self.requests = 0
        self.failures: list[str] = []
        self.served: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Poller:
        self._tasks = [asyncio.create_task(self._work(fresh=n % 2 == 0)) for n in range(_WORKERS)]
        await self.more(20)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def more(self, requests: int) -> None:
        """Return when so many further requests have been answered, or not."""
        enough = self.requests + requests
        while self.requests < enough:
            await asyncio.sleep(0.02)

    async def _work(self, *, fresh: bool) -> None:
        connector = aiohttp.TCPConnector(force_close=fresh, limit=1)
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            while True:
                await self._ask(session)
                await asyncio.sleep(_PAUSE)

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        try:
            async with session.get(self._url) as answer:
                body = await answer.json(content_type=None)
                if answer.status == 200:
                    self.served[str(body.get("release"))] += 1
                else:
                    self.failures.append(f"status {answer.status}")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.failures.append(repr(error))
        self.requests += 1
