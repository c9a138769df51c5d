"""The answer that does not end: server-sent events, for as long as there are any and somebody takes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from executor.web.api import Api, Subscription
from executor.web.follow import race
from executor.web.stream import STALL_SECONDS

Chunks = Callable[[Subscription], AsyncIterator[str]]


class EventStream(Response):
    """Sends what `chunks` makes of a subscription to one build, or to all of them.

    A reader that takes nothing for `stall` seconds is cut off, and comes again with its last id; `backlog` is
    how many frames may wait for it. Raises Unavailable when too many streams are open.
    """

    media_type = "text/event-stream"

    def __init__(
        self, api: Api, build_id: str | None, chunks: Chunks, *, backlog: int, stall: float = STALL_SECONDS
    ) -> None:
        api.watchers.admit()
        self._api = api
        self._build_id = build_id
        self._chunks = chunks
        self._backlog = backlog
        self._stall = stall
        self.background = None
        self.status_code = 200
        self.init_headers({"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body"})
            return
        await race(self._serve(send), _until_gone(receive))

    async def _serve(self, send: Send) -> None:
        with self._api.bus.subscribe(self._build_id, self._backlog) as heard:
            self._api.watchers.add(heard)
            try:
                async for chunk in self._chunks(heard):
                    async with asyncio.timeout(self._stall):
                        await send({"type": "http.response.body", "body": chunk.encode(), "more_body": True})
            except TimeoutError:
                return
            finally:
                self._api.watchers.discard(heard)
            await send({"type": "http.response.body"})


async def _until_gone(receive: Receive) -> None:
    """Return when the reader has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
