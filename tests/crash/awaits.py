"""Counts the awaits that really suspend, and sends its own process a signal at one of them: SIGKILL."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any


class Awaits:
    """`kill_at` counts from 1; 0 never kills. `seen` is how many there have been while `counting`."""

    def __init__(self, kill_at: int = 0) -> None:
        self.kill_at = kill_at
        self.signal = signal.SIGKILL
        self.seen = 0
        self.counting = True

    def install(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.set_task_factory(
            lambda owner, coro, **more: asyncio.Task(Counted(coro, self), loop=owner, **more)
        )

    def suspended(self) -> None:
        if not self.counting:
            return
        self.seen += 1
        if self.seen == self.kill_at:
            os.kill(os.getpid(), self.signal)


class Counted(Coroutine):
    """A coroutine that reports each of its suspensions: a send or throw that came back with a value."""

    def __init__(self, inner: Coroutine, awaits: Awaits) -> None:
        self._inner = inner
        self._awaits = awaits

    def send(self, value: Any) -> Any:
        yielded = self._inner.send(value)
        self._awaits.suspended()
        return yielded

    def throw(self, *error: Any) -> Any:
        yielded = self._inner.throw(*error)
        self._awaits.suspended()
        return yielded

    def close(self) -> None:
        self._inner.close()

    def __await__(self):
        return self._inner.__await__()
