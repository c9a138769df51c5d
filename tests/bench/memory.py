"""Resident memory for each build in flight: a daemon with 1000 of them beside one with 100."""

from __future__ import annotations

from tests.acceptance.daemon import free_port
from tests.bench.filled import deploy_next
from tests.bench.harness import child, place, rss_bytes
from tests.bench.results import Figure, bounded

_FEW, _MANY = 100, 1000


def measure(quick: bool) -> list[Figure]:
    """The difference of two processes, so that what every process holds cancels out."""
    rounds = 1 if quick else 3
    per_build = [(_rss(_MANY) - _rss(_FEW)) / (_MANY - _FEW) / 1024 for _ in range(rounds)]
    value = sorted(per_build)[len(per_build) // 2]
    return [bounded("memory for each build in flight", value, "KiB", 20)]


def _rss(count: int) -> int:
    with place() as state_dir:
        deploy_next(state_dir, count)
        with child("tests.bench.start_served", state_dir, free_port(), count) as daemon:
            daemon.answer()
            return rss_bytes(daemon.pid)
