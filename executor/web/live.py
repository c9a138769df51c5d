"""The live half of the pages: parts of them, rendered here, sent as server-sent events when they change.

static/live.js puts them in place. It is 120 lines of ours and not htmx with hx-sse: of those 44 KB the policy
forbids what evaluates attributes, and what is needed most would still be ours to write: to cut a log at its
head, to leave a form alone in which somebody types, to drop a doubled line, to notice that nothing comes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from executor.domain.build import FINISHED, RUNNABLE, Build
from executor.web import queries
from executor.web.api import Api, Subscription
from executor.web.artifacts import log_line
from executor.web.event_stream import EventStream
from executor.web.live_messages import STILL, Sent, event
from executor.web.lookup import find_build
from executor.web.page_build import BuildPage, tab_of
from executor.web.page_home import HomePage
from executor.web.page_tabs import log_filter
from executor.web.pages import Pages

# Between two looks: no commit waits longer for its page, and a storm of them costs ten looks a second.
_PAUSE = 0.1
_LOG_SECONDS, _CLOCK_SECONDS, _QUIET_SECONDS = 0.1, 1.0, 10.0
# A page keeps this many lines; whoever was away for more of them is sent the newest only.
MOST_LINES = 2000
_BATCH = 500
_BACKLOG = 20_000
_HOME = ("hello", "needs", "running", "history")
_HEAD = ("status", "needs", "timeline", "actions")


class LivePages:
    """GET /live/home and /live/builds/{build_id}?tab=&after=SEQ.LINE."""

    def __init__(self, api: Api, pages: Pages, home: HomePage, build: BuildPage) -> None:
        self._api = api
        self._pages = pages
        self._home = home
        self._page = build

    async def home(self, request: Request) -> Response:
        """The lists of the front page; it goes on until the reader leaves or the daemon stops."""
        return EventStream(self._api, None, lambda heard: self._home_chunks(request, heard), backlog=_BACKLOG)

    async def build(self, request: Request) -> Response:
        """The head of a build's page, its tab, and what its log or its events go on with."""
        build = await find_build(self._api, request.path_params["build_id"])
        seq, line = _seen(request)
        follower = Follower(self._api, self._pages, self._page, request, build.id, seq=seq, line=line)
        return EventStream(self._api, build.id, follower.chunks, backlog=_BACKLOG)

    async def _home_chunks(self, request: Request, heard: Subscription) -> AsyncIterator[str]:
        sent = Sent()
        while not (self._api.live.draining or heard.overflowed):
            values = await self._home.values(request)
            parts = {name: self._pages.part(request, f"parts/home_{name}.html", **values) for name in _HOME}
            yield "".join(sent.changed(parts)) or STILL
            await _rest(self._api, heard, _CLOCK_SECONDS if values["running"] else _QUIET_SECONDS)


class Follower:
    """One open page of one build. It goes on after event `seq` and log line `line`.

    With `still=1` in the address the tab stays as it is: somebody looks at an earlier page or version.
    """

    def __init__(
        self, api: Api, pages: Pages, page: BuildPage, request: Request, build_id: str, *, seq: int, line: int
    ) -> None:
        self._api = api
        self._pages = pages
        self._page = page
        self._request = request
        self._build_id = build_id
        self._tab = tab_of(request)
        self._filter = log_filter(request)
        self._is_still = queries.flag(request, "still")
        self._seq, self._line = seq, line
        self._sent = Sent()
        self._looked: tuple[int, float] = (-1, 0.0)

    async def chunks(self, heard: Subscription) -> AsyncIterator[str]:
        """What is new, until the build is finished (told by `event: end`), or the daemon stops."""
        while not (self._api.live.draining or heard.overflowed):
            build = await self._api.store.builds.get(self._build_id)
            said = [chunk async for chunk in self._news(build)]
            yield "".join(said) or STILL
            newest = self._api.store.builds.cached(self._build_id) or build
            if newest.state in FINISHED and newest.version == build.version:
                yield event("end", {})
                return
            await _rest(self._api, heard, _LOG_SECONDS if build.state in RUNNABLE else _QUIET_SECONDS)

    async def _news(self, build: Build) -> AsyncIterator[str]:
        version, looked = self._looked
        if build.version != version or time.monotonic() - looked >= _CLOCK_SECONDS:
            is_new = build.version != version
            self._looked = (build.version, time.monotonic())
            for chunk in self._sent.changed(await self._parts(build, with_tab=is_new)):
                yield chunk
        grows = {"log": self._log, "events": self._events}.get(self._tab)
        if grows is not None and not self._is_still:
            async for chunk in grows():
                yield chunk

    async def _parts(self, build: Build, *, with_tab: bool) -> dict[str, str]:
        head = await self._page.head(build)
        parts = {name: self._part(f"parts/build_{name}.html", **head) for name in _HEAD}
        if with_tab and self._tab not in {"log", "events"} and not self._is_still:
            values = await self._page.tab(self._tab, self._request, build)
            parts["tab"] = self._part(f"tabs/{self._tab}.html", **{**head, **values})
        return parts

    async def _log(self) -> AsyncIterator[str]:
        level, search = self._filter
        last = await self._api.store.log_lines.last(self._build_id)
        self._line = max(self._line, last - MOST_LINES)
        while lines := await self._api.store.log_lines.page(self._build_id, self._line, _BATCH):
            self._line = lines[-1]["line"]
            fitting = [
                log_line(line)
                for line in lines
                if level in {"", line["level"]} and search.lower() in line["text"].lower()
            ]
            yield self._append("log", "parts/log_lines.html", lines=fitting)

    async def _events(self) -> AsyncIterator[str]:
        while events := await self._api.store.builds.events(self._build_id, self._seq, _BATCH):
            self._seq = events[-1].seq
            rows = [event.as_json() for event in events]
            yield self._append("events", "parts/event_rows.html", events=rows)

    def _append(self, place: str, template: str, **values: Any) -> str:
        """The numbers are the message's id: with them the browser asks for what comes next."""
        html = self._part(template, **values)
        return f"id: {self._seq}.{self._line}\n{event('append', {'id': place, 'html': html})}"

    def _part(self, template: str, **values: Any) -> str:
        return self._pages.part(self._request, template, **values)


async def _rest(api: Api, heard: Subscription, seconds: float) -> None:
    """Pause, then wait for news; a drain that began during the pause has already been told of, so look."""
    await asyncio.sleep(_PAUSE)
    if not api.live.draining:
        await heard.take(seconds)


def _seen(request: Request) -> tuple[int, int]:
    """The event and the log line that the reader has: the id of the last message, else `after`."""
    known = request.headers.get("last-event-id") or queries.text(request, "after")
    seq, _, line = known.partition(".")
    usable = all(part.isascii() and part.isdigit() and len(part) < 16 for part in (seq, line))
    return (int(seq), int(line)) if usable else (0, 0)
