"""What this process uses of the machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SHORTEST_SAMPLE = 1.0


class Usage:
    """CPU and memory of the daemon; the CPU figure covers the time since the last sample, 1 s at least."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._cpu = time.process_time()
        self._percent = 0.0

    @property
    def cpu_percent(self) -> float:
        """Percent of one core."""
        now, cpu = time.monotonic(), time.process_time()
        if now - self._at >= _SHORTEST_SAMPLE:
            self._percent = 100.0 * (cpu - self._cpu) / (now - self._at)
            self._at, self._cpu = now, cpu
        return round(self._percent, 1)

    @property
    def memory_mb(self) -> float:
        """Resident memory in MiB."""
        resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return round(resident * _PAGE_BYTES / (1 << 20), 1)
