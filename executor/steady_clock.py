"""The engine's clock: the wall's time that does not jump while something runs (trust.md, R14)."""

from __future__ import annotations

import time
from collections.abc import Callable


def _since_boot() -> float:
    """Seconds that nobody can set, a suspended machine's sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Seconds since the epoch as of the last `settle`, carried on by a clock that only goes forward.

    A wall clock that is set while builds run would make their steps seem to last a day, or less than nothing:
    deadlines, waits and estimates are counted on this one. `settle` takes over the wall's time; it is called
    while nothing runs.
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = _since_boot
    ) -> None:
        self._wall = wall
        self._steady = steady
        self.settle()

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self._settled + self._steady() - self._settled_at

    def settle(self) -> None:
        """From now on go by the wall's present time."""
        self._settled, self._settled_at = self._wall(), self._steady()
