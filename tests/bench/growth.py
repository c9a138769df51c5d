"""A daemon with 10,000 builds and a million events behind it, beside one that has hardly any."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

from tests.acceptance.daemon import FPAI, RealDaemon
from tests.bench.daemon import start
from tests.bench.filled import remember
from tests.bench.harness import environment, place, run
from tests.bench.load import Requests, load
from tests.bench.results import Figure, at_most

_EVENTS_EACH = 100
_SHOWN = 50
"""The small side has exactly what one page and one replay show, so that both sides answer the same."""


def measure(quick: bool, builds: int = 0) -> list[Figure]:
    """Start-up and the three reads, the two daemons in turn."""
    rounds, builds = (2, builds or 2_000) if quick else (7, builds or 10_000)
    with ExitStack() as stack:
        sides = [stack.enter_context(_side(number)) for number in (_SHOWN, builds)]
        starts = [[start(daemon) for daemon, _ in sides]]
        for _ in range(rounds - 1):
            for daemon, _ in sides:
                daemon.terminate()
            starts.append([start(daemon) for daemon, _ in sides])
        reads = _reads(sides, rounds)
    many = f"{builds:,} builds, {builds * _EVENTS_EACH:,} events"
    figures = [_compared(f"start-up, {many}", starts)]
    return figures + [_compared(f"{name}, {many}", values) for name, values in reads.items()]


@contextmanager
def _side(builds: int) -> Iterator[tuple[RealDaemon, list[str]]]:
    with place() as home:
        daemon = RealDaemon(home, FPAI, **environment())
        daemon.state_dir.mkdir(mode=0o700)
        ids = remember(daemon.state_dir, builds, _EVENTS_EACH)
        try:
            yield daemon, _spread(ids)
        finally:
            daemon.clean_up()


def _spread(ids: list[str]) -> list[str]:
    """As many builds on either side, from the whole table."""
    return ids[:: max(1, len(ids) // _SHOWN)][:_SHOWN]


def _reads(sides: list[tuple[RealDaemon, list[str]]], rounds: int) -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = {}
    for _ in range(rounds):
        for name, path, number in (
            ("status", "/executor/builds/{}/status", 10),
            ("list", "/executor/builds?limit=50", 20),
            ("replay", "/executor/builds/{}/events?after=50", 4),
        ):
            seconds = [_p50(daemon.port, path, ids, number) for daemon, ids in sides]
            found.setdefault(name, []).append(seconds)
    return found


def _p50(port: int, path: str, ids: list[str], number: int) -> float:
    """The median latency of one request, each build asked for in its turn."""
    paths = [path.format(build_id) for build_id in ids] if "{}" in path else [path]
    return median(run(load(Requests(port, one), number)).p50 for one in paths)


def _compared(name: str, rounds: list[list[float]]) -> Figure:
    small, large = (median(values) * 1e3 for values in zip(*rounds, strict=True))
    ratio = median(large / small for small, large in rounds)
    return at_most(name, large, "ms", f"{_SHOWN} builds: {small:.2f} ms", ratio, 1.5)
