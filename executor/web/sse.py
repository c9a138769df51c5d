"""A build's events over plain HTTP: a JSON array, or a stream of server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from executor.web import queries
from executor.web.api import Api, Subscription
from executor.web.bodies import invalid
from executor.web.event_stream import EventStream
from executor.web.follow import End, Following, Item
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
            return self._stream(build.id, _last_seen(request, after))
        limit = queries.whole(request, "limit", 1000, low=1, high=_MOST)
        found = await self._api.store.builds.events(build.id, after, limit)
        headers = {}
        if len(found) == limit:
            query = urlencode({"after": found[-1].seq, "limit": limit})
            headers["link"] = f'<{self._api.base_url}{request.url.path}?{query}>; rel="next"'
        return Json([event.as_json() for event in found], headers=headers)

    def _stream(self, build_id: str, after: int) -> EventStream:
        """Ends with `event: end` when the build is finished, with nothing when the daemon drains."""

        async def chunks(subscription: Subscription) -> AsyncIterator[str]:
            build = await self._api.store.builds.get(build_id)
            following = Following(self._api, build, after, subscription)
            yield "retry: 1000\n\n"
            async for batch in following.batches():
                yield "".join(map(_message, batch)) or ": still here\n\n"
            if following.end is End.FINISHED:
                yield "event: end\ndata: {}\n\n"

        return EventStream(self._api, build_id, chunks, backlog=self._backlog, stall=self._stall)


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
