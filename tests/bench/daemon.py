"""The real `fpai serve`: start, idle weight and the version verb."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from tests.acceptance.daemon import FPAI, RealDaemon
from tests.bench.harness import cpu_seconds, environment, place, rss_bytes
from tests.bench.results import Figure, bounded

_LIBRARIES = "import starlette, uvicorn, aiosqlite, aiohttp, transitions, structlog, pydantic"


def measure(quick: bool) -> list[Figure]:
    """One daemon after another, never two at once."""
    rounds = 2 if quick else 7
    _version()
    with serving() as daemon:
        start(daemon)  # compiles what the first start of a fresh tree compiles
    version, imports = (median(_timed(side) for _ in range(rounds)) for side in (_version, _imports))
    starts: list[float] = []
    for _ in range(rounds - 1):
        with serving() as daemon:
            starts.append(start(daemon))
    with serving() as daemon:
        starts.append(start(daemon))
        idle = _idle(daemon, 4 if quick else 20)
    against = f"importing its libraries alone: {imports:.2f} s"
    return [
        bounded("daemon, start to ready", median(starts), "s", 1.0, against),
        bounded("fpai version", version, "s", 0.3, against),
        *idle,
    ]


@contextmanager
def serving() -> Iterator[RealDaemon]:
    """A daemon of its own with its home on the disk, not yet started; ended and cleaned up."""
    with place() as home:
        daemon = RealDaemon(home, FPAI, **environment())
        try:
            yield daemon
        finally:
            daemon.clean_up()


def start(daemon: RealDaemon) -> float:
    """Start it and wait until it says that it is ready, asking every few milliseconds."""
    began = time.perf_counter()
    daemon.start(wait=False)
    while True:
        try:
            with urllib.request.urlopen(f"{daemon.url}/readyz", timeout=5):
                return time.perf_counter() - began
        except OSError:
            if time.perf_counter() - began > 30:
                raise
            time.sleep(0.005)


def _idle(daemon: RealDaemon, seconds: float) -> list[Figure]:
    assert daemon.process is not None
    time.sleep(1.0)
    before = cpu_seconds(daemon.process.pid)
    time.sleep(seconds)
    share = 100 * (cpu_seconds(daemon.process.pid) - before) / seconds
    megabytes = rss_bytes(daemon.process.pid) / (1 << 20)
    return [bounded("idle RSS", megabytes, "MB", 75), bounded("idle CPU", share, "%", 0.1)]


def _timed(side: Callable[[], None]) -> float:
    began = time.perf_counter()
    side()
    return time.perf_counter() - began


def _version() -> None:
    subprocess.run([FPAI, "version"], check=True, capture_output=True, env=environment())


def _imports() -> None:
    subprocess.run([sys.executable, "-c", _LIBRARIES], check=True, env=environment())
