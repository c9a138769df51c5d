"""Replay, then follow: every event of a build exactly once and in order, however the watcher came."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from enum import Enum
from typing import Any, NamedTuple

from starlette.websockets import WebSocketDisconnect

from executor.domain.build import FINISHED, RUNNABLE, Build
from executor.domain.events import Event, iso
from executor.web.api import Api, Subscription
from executor.web.status import STATUS_WORDS, step_name

_PAGE = 500


class End(Enum):
    """Why a stream is over."""

    FINISHED = "finished"
    RESTART = "restart"
    SLOW = "slow"
    CAUGHT_UP = "caught up"


class Item(NamedTuple):
    """A frame; `seq` is None for a progress tick, which is live and never stored."""

    seq: int | None
    text: str


class Following:
    """One watcher of one build. Read `batches` to the end, then `end` says why it ended.

    With `only_replay` it ends as soon as everything up to now has been read, with End.CAUGHT_UP.
    """

    def __init__(
        self, api: Api, build: Build, after: int, subscription: Subscription, *, only_replay: bool = False
    ) -> None:
        self._api = api
        self._build = build
        self._only_replay = only_replay
        self.sent = min(after, build.last_seq)
        self._subscription = subscription
        self._interval = api.settings.builds.progress_interval
        self._ticked = time.monotonic()
        self.end = End.RESTART

    async def batches(self) -> AsyncIterator[list[Item]]:
        """Frames as they come; an empty batch when there was nothing to tell for a while."""
        async for page in self._stored(self._build.last_seq):
            yield page
        while not await self._is_over():
            for batch in await self._next():
                yield batch
            if time.monotonic() - self._ticked >= self._interval:
                yield self._tick()

    async def _stored(self, upto: int) -> AsyncIterator[list[Item]]:
        """Replay rows until `upto` has been sent."""
        while self.sent < upto:
            events = await self._api.store.builds.events(self._build.id, self.sent, _PAGE)
            if not events:
                return
            self.sent = events[-1].seq
            yield [_item(event) for event in events]

    async def _is_over(self) -> bool:
        self._build = await self._api.store.builds.get(self._build.id)
        if self._subscription.overflowed:
            self.end = End.SLOW
        elif self._build.state in FINISHED and self.sent >= self._build.last_seq:
            self.end = End.FINISHED
        elif self._api.live.draining:
            self.end = End.RESTART
        elif self._only_replay and self._has_everything():
            self.end = End.CAUGHT_UP
        else:
            return False
        return True

    def _has_everything(self) -> bool:
        """True if nothing is missing at this moment: the newest view is in memory when it is published."""
        newest = self._api.store.builds.cached(self._build.id)
        return newest is not None and self.sent >= newest.last_seq

    async def _next(self) -> list[list[Item]]:
        wait = max(0.0, self._ticked + self._interval - time.monotonic())
        batches: list[list[Item]] = []
        batch: list[Item] = []
        for frame in await self._subscription.take(wait):
            seq = frame.event.seq
            if seq <= self.sent:
                continue
            if seq > self.sent + 1:
                batches += [batch, *[page async for page in self._stored(seq - 1)]]
                batch = []
            batch.append(Item(seq, frame.text))
            self.sent = seq
        return [b for b in (*batches, batch) if b]

    def _tick(self) -> list[Item]:
        self._ticked = time.monotonic()
        build = self._api.store.builds.cached(self._build.id) or self._build
        return [Item(None, tick(self._api, build))] if build.state in RUNNABLE else []


def tick(api: Api, build: Build) -> str:
    """A progress frame: where the build is at this moment."""
    now = api.live.now()
    fraction = api.live.fraction(build.id)
    details = api.live.details(build.id)
    left = api.live.estimator.remaining(build, now, fraction)
    return json.dumps(
        {
            "v": 1,
            "event_type": "progress",
            "build_id": build.id,
            "status": STATUS_WORDS[build.state],
            "step": build.step,
            "step_name": step_name(build),
            "attempt": build.attempt,
            "progress_percent": api.live.estimator.percent(build, now, fraction),
            "message": details.get("action", ""),
            "timestamp": iso(now),
            "data": {"remaining_seconds": round(left, 1), "details": dict(details)},
        },
        ensure_ascii=False,
        default=str,
    )


async def race(work: Coroutine[Any, Any, None], gone: Coroutine[Any, Any, None]) -> None:
    """Run `work` until it is done or `gone` returns; raises what `work` raised, save that nobody listens."""
    worker, watcher = asyncio.create_task(work), asyncio.create_task(gone)
    try:
        await asyncio.wait({worker, watcher}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        worker.cancel()
        watcher.cancel()
        await asyncio.gather(worker, watcher, return_exceptions=True)
    if not worker.cancelled():
        with suppress(WebSocketDisconnect, OSError):
            worker.result()


def _item(event: Event) -> Item:
    return Item(event.seq, event.frame())
