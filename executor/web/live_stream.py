"""Server-sent events for the pages: the answer itself, and the memory of what a page has been given."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from executor.web.api import Api, Subscription
from executor.web.follow import race
from executor.web.sse import until_gone

_BACKLOG = 20_000
_STALL_SECONDS = 30.0
_CLOCK = re.compile(r'(data-since="[^"]*">)[^<]*')
# An event and not a comment: the page itself has to notice when nothing comes any more.
STILL = "event: still\ndata: {}\n\n"
Chunks = Callable[[Subscription], AsyncIterator[str]]


class LiveStream(Response):
    """Server-sent events for as long as `chunks` has any; a reader that takes nothing is let go."""

    media_type = "text/event-stream"

    def __init__(self, api: Api, build_id: str | None, chunks: Chunks, stall: float = _STALL_SECONDS) -> None:
        self._api = api
        self._build_id = build_id
        self._chunks = chunks
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
        await race(self._serve(send), until_gone(receive))

    async def _serve(self, send: Send) -> None:
        with self._api.bus.subscribe(self._build_id, _BACKLOG) as heard:
            self._api.watchers.add(heard)
            try:
                async for chunk in self._chunks(heard):
                    async with asyncio.timeout(self._stall):
                        await send({"type": "http.response.body", "body": chunk.encode(), "more_body": True})
            except TimeoutError:
                return  # stalled: the connection is cut, and the reader comes again with its last id
            finally:
                self._api.watchers.discard(heard)
            await send({"type": "http.response.body"})


class Sent:
    """What one page has been given, so that only what is different is sent."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def changed(self, parts: Mapping[str, str]) -> list[str]:
        """The messages for the parts that differ; a clock that the page counts itself is no difference."""
        new = []
        for name, html in parts.items():
            still = _CLOCK.sub(r"\1", html)
            if self._known.get(name) != still:
                self._known[name] = still
                new.append(event("part", {"id": name, "html": html}))
        return new


def event(name: str, data: Mapping[str, Any]) -> str:
    """One message as it goes over the wire."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
