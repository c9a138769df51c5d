"""Does the event loop turn? What holds it up shows as a sleep that took longer than it was asked for."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

_EVERY = 0.5
_REMEMBERED = 240
"""Two minutes of looks: a scraper that comes every minute sees every stall."""


class Pulse:
    """`lag` is by how many seconds the last sleep was too long, `worst` the longest of two minutes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, every: float = _EVERY) -> None:
        self._clock = clock
        self._every = every
        self._lags: deque[float] = deque([0.0], maxlen=_REMEMBERED)

    @property
    def lag(self) -> float:
        """At the last look."""
        return self._lags[-1]

    @property
    def worst(self) -> float:
        """In the last two minutes."""
        return max(self._lags)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            began = self._clock()
            await asyncio.sleep(self._every)
            self._lags.append(max(0.0, self._clock() - began - self._every))
