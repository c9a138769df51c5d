"""Wakes listeners after a commit. Events themselves are rows; whoever listens replays first, then follows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from executor.domain.events import Event

_LONGEST_BACKLOG = 4096


class Frame:
    """One committed event, encoded at most once however many watchers take it."""

    __slots__ = ("_text", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self._text: str | None = None

    @property
    def text(self) -> str:
        """The wire form."""
        if self._text is None:
            self._text = self.event.frame()
        return self._text


class Subscription:
    """The frames of one build since the subscription began. `overflowed` once a slow reader fell behind."""

    __slots__ = ("_frames", "_limit", "_wake", "overflowed")

    def __init__(self, limit: int) -> None:
        self._frames: deque[Frame] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._limit = limit
        self.overflowed = False

    def offer(self, frames: Sequence[Frame]) -> None:
        """Take frames; beyond the limit they are dropped and the reader is told to come back."""
        if len(self._frames) + len(frames) > self._limit:
            self.overflowed = True
        else:
            self._frames.extend(frames)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def take(self, timeout: float | None = None) -> list[Frame]:
        """Return the frames that have come, waiting up to `timeout` seconds for the first one."""
        if not self._frames and not self.overflowed:
            loop = asyncio.get_running_loop()
            self._wake = loop.create_future()
            # Not wait_for: it would cost every one of a thousand watchers a second turn of the loop.
            timer = loop.call_later(timeout, self.offer, ()) if timeout is not None else None
            try:
                await self._wake
            finally:
                self._wake = None
                if timer is not None:
                    timer.cancel()
        taken = list(self._frames)
        self._frames.clear()
        return taken


class Bus:
    """Hands committed events to whoever subscribed; never waits for anyone."""

    def __init__(self) -> None:
        self._by_build: dict[str, set[Subscription]] = {}
        self._all: set[Subscription] = set()

    @contextmanager
    def subscribe(self, build_id: str | None, limit: int = _LONGEST_BACKLOG) -> Iterator[Subscription]:
        """Listen to one build, or to all with None, while the context is open."""
        subscription = Subscription(limit)
        group = self._all if build_id is None else self._by_build.setdefault(build_id, set())
        group.add(subscription)
        try:
            yield subscription
        finally:
            group.discard(subscription)
            if build_id is not None and not group:
                self._by_build.pop(build_id, None)

    def publish(self, events: Sequence[Event]) -> None:
        """Called after COMMIT with the events of one build."""
        if not events:
            return
        listeners = self._by_build.get(events[0].build_id)
        if not listeners and not self._all:
            return
        frames = [Frame(event) for event in events]
        for subscription in (*(listeners or ()), *self._all):
            subscription.offer(frames)
