"""How much is asked of the daemon, and how it fares: the figures of /state and /metrics."""

from __future__ import annotations

import time
from collections.abc import Callable

from executor.web.route_counts import RouteCounts


class Window:
    """Counts in the last `buckets` times `width` seconds, in constant memory."""

    def __init__(self, buckets: int, width: float, clock: Callable[[], float]) -> None:
        self._width = width
        self._clock = clock
        self._counts = [0] * buckets
        self._slots = [-1] * buckets

    def add(self) -> None:
        """Count one now."""
        slot = int(self._clock() / self._width)
        index = slot % len(self._counts)
        if self._slots[index] != slot:
            self._slots[index] = slot
            self._counts[index] = 0
        self._counts[index] += 1

    def total(self) -> int:
        """How many there were inside the window."""
        oldest = int(self._clock() / self._width) - len(self._counts)
        return sum(n for n, slot in zip(self._counts, self._slots, strict=True) if slot > oldest)


class Traffic:
    """Requests since the start; times are in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.requests = 0
        self.failures = 0
        self.seconds = 0.0
        self.last_at: float | None = None
        self.routes = RouteCounts()
        self._last_minute = Window(60, 1.0, clock)
        self._failures_last_hour = Window(60, 60.0, clock)

    def note(self, status: int, seconds: float) -> None:
        """One request was answered; a 5xx is a failure of ours."""
        self.requests += 1
        self.seconds += seconds
        self.last_at = time.time()
        self._last_minute.add()
        if status >= 500:
            self.failures += 1
            self._failures_last_hour.add()

    @property
    def per_minute(self) -> int:
        """Requests in the last minute."""
        return self._last_minute.total()

    @property
    def failures_last_hour(self) -> int:
        """Answers with 5xx in the last hour."""
        return self._failures_last_hour.total()
