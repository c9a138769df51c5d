"""How busy this machine is, in percent, as a heartbeat tells it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from executor.adapters.registry_entry import Load

_MEMORY = Path("/proc/meminfo")


def machine_load(directory: Path, memory: Path = _MEMORY) -> Load:
    """The load of the last minute for each processor, memory in use, and the disk that holds `directory`."""
    usage = shutil.disk_usage(directory)
    return Load(
        cpu=100.0 * os.getloadavg()[0] / (os.cpu_count() or 1),
        mem=_memory_in_use(memory),
        disk=100.0 * usage.used / usage.total,
    )


def _memory_in_use(memory: Path) -> float | None:
    """None where the kernel does not tell."""
    try:
        lines = dict(line.split(":", 1) for line in memory.read_text(encoding="ascii").splitlines())
        total, free = (int(lines[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    except (OSError, ValueError, KeyError):
        return None
    return 100.0 * (total - free) / total if total else None
