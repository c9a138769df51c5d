"""A build's events over plain HTTP: a JSON array, or a stream of server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from executor.web import queries
from executor.web.api import Api
from executor.web.bodies import invalid
from executor.web.follow import End, Following, Item, race
from executor.web.lookup import find_build
from executor.web.negotiation import preferred
from executor.web.replies import Json
from executor.web.stream import BACKLOG, STALL_SECONDS

_MOST = 5000
_JSON, _STREAM = "application/json", "text/event-stream"


class Events:
    """GET …/events."""

    def __init__(self, api: Api, backlog: int = BACKLOG, stall: float = STALL_SECONDS) -> None:
        self._api = api
        self._backlog = backlog
        self._stall = stall

    async def events(self, request: Request) -> Response:
        """The events after a seq, or a stream of them that goes on until the build is finished."""
        build = await find_build(self._api, request.path_params["build_id"])
        after = queries.whole(request, "after", 0)
        if preferred(request, (_JSON, _STREAM)) == _STREAM:
            self._api.watchers.admit()
            return EventStream(self._api, build.id, _last_seen(request, after), self._backlog, self._stall)
        limit = queries.whole(request, "limit", 1000, low=1, high=_MOST)
        found = await self._api.store.builds.events(build.id, after, limit)
        headers = {}
        if len(found) == limit:
            query = urlencode({"after": found[-1].seq, "limit": limit})
            headers["link"] = f'<{self._api.base_url}{request.url.path}?{query}>; rel="next"'
        return Json([event.as_json() for event in found], headers=headers)


class EventStream(Response):
    """The streaming answer; `event: end` ends it of a finished build, nothing when draining."""

    media_type = _STREAM

    def __init__(self, api: Api, build_id: str, after: int, backlog: int, stall: float) -> None:
        self._api = api
        self._build_id = build_id
        self._after = after
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
        await race(self._serve(send), until_gone(receive))

    async def _serve(self, send: Send) -> None:
        with self._api.bus.subscribe(self._build_id, self._backlog) as subscription:
            build = await self._api.store.builds.get(self._build_id)
            self._api.watchers.add(subscription)
            try:
                async for chunk in _chunks(Following(self._api, build, self._after, subscription)):
                    async with asyncio.timeout(self._stall):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except TimeoutError:
                return  # stalled: the connection is cut, and the reader comes again with its last id
            finally:
                self._api.watchers.discard(subscription)
            await send({"type": "http.response.body"})


async def _chunks(following: Following) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    async for batch in following.batches():
        yield "".join(map(_message, batch)).encode() or b": still here\n\n"
    if following.end is End.FINISHED:
        yield b"event: end\ndata: {}\n\n"


def _message(item: Item) -> str:
    head = "event: progress\n" if item.seq is None else f"id: {item.seq}\n"
    return f"{head}data: {item.text}\n\n"


def _last_seen(request: Request, after: int) -> int:
    text = request.headers.get("last-event-id", "")
    if not text:
        return after
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise invalid(["header", "Last-Event-ID"], "the seq of an event is expected")
    return int(text)


async def until_gone(receive: Receive) -> None:
    """Return when the reader has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
