"""The watchers of one build that have kept up: one task writes each frame to all of them.

A thousand watchers cost a thousand writes that way and not a thousand turns of the loop. Who cannot take a
frame at once leaves the crowd, goes on alone from the last seq it got, and comes back when it has caught up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from executor.domain.build import FINISHED, RUNNABLE, Build
from executor.web.api import Api, Frame, Subscription
from executor.web.follow import End, tick

Write = Callable[[str], bool]


class Seat:
    """One watcher in the crowd. `left` gets the End of the stream, or None when it has to go on alone."""

    __slots__ = ("crowd", "left", "sent", "write")

    def __init__(self, crowd: Crowd, write: Write, sent: int) -> None:
        self.crowd = crowd
        self.write = write
        self.sent = sent
        self.left: asyncio.Future[End | None] = asyncio.get_running_loop().create_future()

    def leave(self, end: End | None) -> None:
        """Give the seat up; with the last one the crowd ends."""
        self.crowd.seats.pop(self, None)
        if not self.left.done():
            self.left.set_result(end)
        if not self.crowd.seats:
            self.crowd.wake()

    def offer(self, _: Sequence[Any]) -> None:
        """Part of being a watcher: a nudge reaches the whole crowd."""
        self.crowd.wake()

    def take(self, frames: Sequence[Frame]) -> None:
        """Write the frames in order; the first one that is not next, or is not taken, ends the stay."""
        for frame in frames:
            seq = frame.event.seq
            if seq <= self.sent:
                continue
            if seq != self.sent + 1 or not self.write(frame.text):
                self.leave(None)
                return
            self.sent = seq


class Crowd:
    """The seats of one build, and the task that serves them while there are any."""

    def __init__(self, api: Api, build_id: str, subscription: Subscription) -> None:
        self._api = api
        self._build_id = build_id
        self._subscription = subscription
        self._interval = api.settings.builds.progress_interval
        self._ticked = time.monotonic()
        self.seats: dict[Seat, None] = {}

    def wake(self) -> None:
        """Look at the daemon's condition now."""
        self._subscription.offer(())

    async def serve(self) -> None:
        """Write frames and ticks until the last seat is empty."""
        while self.seats:
            wait = max(0.0, self._ticked + self._interval - time.monotonic())
            frames = await self._subscription.take(wait)
            for seat in tuple(self.seats):
                seat.take(frames)
            self._tick()
            self._see_off(await self._api.store.builds.get(self._build_id))

    def _tick(self) -> None:
        if time.monotonic() - self._ticked < self._interval:
            return
        self._ticked = time.monotonic()
        build = self._api.store.builds.cached(self._build_id)
        if build is not None and build.state in RUNNABLE:
            text = tick(self._api, build)
            for seat in tuple(self.seats):
                if not seat.write(text):
                    seat.leave(None)

    def _see_off(self, build: Build) -> None:
        """End the stay of those for whom there is nothing more to come, or who have to go on alone."""
        for seat in tuple(self.seats):
            if self._subscription.overflowed:
                seat.leave(None)
            elif build.state in FINISHED and seat.sent >= build.last_seq:
                seat.leave(End.FINISHED)
            elif self._api.live.draining:
                seat.leave(End.RESTART)


class Crowds:
    """The crowds of all builds that are being watched."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._crowds: dict[str, Crowd] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def join(self, build_id: str, write: Write, sent: int) -> Seat:
        """Take a seat. The caller has sent everything up to `sent`, the newest seq at this very moment."""
        crowd = self._crowds.get(build_id) or self._open(build_id)
        seat = Seat(crowd, write, sent)
        crowd.seats[seat] = None
        return seat

    def _open(self, build_id: str) -> Crowd:
        listening = self._api.bus.subscribe(build_id)
        crowd = self._crowds[build_id] = Crowd(self._api, build_id, listening.__enter__())

        async def serve() -> None:
            try:
                await crowd.serve()
            finally:
                self._crowds.pop(build_id, None)
                listening.__exit__(None, None, None)
                for seat in tuple(crowd.seats):
                    seat.leave(None)

        task = asyncio.create_task(serve(), name=f"crowd {build_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return crowd
