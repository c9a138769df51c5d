"""Counts of what was served, for /state and /metrics."""

import os
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

MIB = 1024 * 1024


class RollingCount:
    """How often something happened in the last `slots` times `width` seconds."""

    def __init__(self, slots: int, width: float) -> None:
        self._width = width
        self._counts = [0] * slots
        self._stamps = [-1] * slots

    def add(self, now: float) -> None:
        """Count one occurrence at the monotonic time `now`."""
        stamp = int(now / self._width)
        slot = stamp % len(self._counts)
        if self._stamps[slot] != stamp:
            self._stamps[slot], self._counts[slot] = stamp, 0
        self._counts[slot] += 1

    def total(self, now: float) -> int:
        """Return the count over the window that ends at the monotonic time `now`."""
        oldest = int(now / self._width) - len(self._counts)
        pairs = zip(self._stamps, self._counts, strict=True)
        return sum(count for stamp, count in pairs if stamp > oldest)


class Traffic:
    """Requests served since the start."""

    def __init__(self) -> None:
        self.started_at = datetime.now(UTC)
        self.last_activity = self.started_at
        self.answers: Counter[tuple[str, int]] = Counter()
        self.seconds_total = 0.0
        self._started = time.monotonic()
        self._minute = RollingCount(slots=60, width=1.0)
        self._errors = RollingCount(slots=60, width=60.0)

    def record(self, method: str, status: int, seconds: float) -> None:
        """Count one answer; a status from 500 up is an error."""
        now = time.monotonic()
        self.answers[(method, status)] += 1
        self.seconds_total += seconds
        self.last_activity = datetime.now(UTC)
        self._minute.add(now)
        if status >= 500:
            self._errors.add(now)

    @property
    def uptime_seconds(self) -> float:
        """Seconds since the start, never negative."""
        return round(time.monotonic() - self._started, 3)

    @property
    def requests_total(self) -> int:
        """Answers since the start."""
        return self.answers.total()

    @property
    def errors_total(self) -> int:
        """Answers since the start whose status is 500 or above."""
        return sum(count for (_, status), count in self.answers.items() if status >= 500)

    @property
    def requests_per_minute(self) -> int:
        """Answers in the last 60 seconds."""
        return self._minute.total(time.monotonic())

    @property
    def errors_last_hour(self) -> int:
        """Errors in the last 60 minutes."""
        return self._errors.total(time.monotonic())

    @property
    def average_response_ms(self) -> float:
        """Mean time to answer since the start, in milliseconds."""
        return round(1000 * self.seconds_total / max(1, self.requests_total), 3)

    @property
    def error_rate_percent(self) -> float:
        """Share of errors since the start, 0 to 100."""
        return round(100 * self.errors_total / max(1, self.requests_total), 3)


def memory_mb() -> float:
    """Return the resident memory of this process in MiB; 0 where /proc is not there."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return round(pages * os.sysconf("SC_PAGE_SIZE") / MIB, 2)


def cpu_percent(uptime_seconds: float) -> float:
    """Return the mean processor use since the start, in percent of one core, at most 100."""
    return round(min(100.0, 100 * time.process_time() / max(uptime_seconds, 1.0)), 2)
