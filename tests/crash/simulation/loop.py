"""An event loop whose time is virtual, and which can be abandoned between any two callbacks."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class Killed(BaseException):
    """The process is dead: nothing of it runs any more."""


class Stuck(AssertionError):
    """Nothing is ready and no timer is set: the process would wait for ever."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one callback after another, in asyncio's own order; where none is ready, time goes on by itself.

    It begins at `now`, in seconds. `lifespan` is how many callbacks it has before it is killed, None for no
    end; `at_death` is called at that moment. What others give to threads runs at once.
    """

    def __init__(self, now: float, lifespan: int | None, at_death: Callable[[], None]) -> None:
        super().__init__()
        self._now = now
        self._at_death = at_death
        self.callbacks = 0
        self.dies_at = lifespan

    def time(self) -> float:
        return self._now

    def die(self) -> None:
        """Nothing runs after the present callback."""
        self.dies_at = self.callbacks + 1  # a callback counts before it runs

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = self.create_future()
        self.call_soon(_answered, future, func, args)
        return future

    def abandon(self) -> None:
        """Forget everything that was going on. What has a `finally` finds its disk and its world gone."""
        tasks = asyncio.all_tasks(self)
        for task in sorted(tasks, key=lambda one: one.get_name()):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            with suppress(RuntimeError):  # it would await on its way out
                task.get_coro().close()
        self.set_exception_handler(lambda *_: None)
        self.close()

    def _run_once(self) -> None:
        while not self._ready:  # type: ignore[attr-defined]
            self._to_the_next_timer()
        if self.callbacks + 1 == self.dies_at:
            self._at_death()
            raise Killed
        handle = self._ready.popleft()  # type: ignore[attr-defined]
        if not handle._cancelled:
            self.callbacks += 1
            handle._run()

    def _to_the_next_timer(self) -> None:
        timers = self._scheduled  # type: ignore[attr-defined]
        if not timers:
            raise Stuck("Nothing is ready and no timer is set: this process would wait for ever.")
        timer = heapq.heappop(timers)
        timer._scheduled = False
        if not timer._cancelled:
            self._now = max(self._now, timer._when)
            self._ready.append(timer)  # type: ignore[attr-defined]

    def _write_to_self(self) -> None:
        """There is no other thread that could wake this one."""

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers stay where they are until their time comes."""


def _answered(future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        value = func(*args)
    except Exception as error:
        if not future.done():
            future.set_exception(error)
    else:
        if not future.done():
            future.set_result(value)
