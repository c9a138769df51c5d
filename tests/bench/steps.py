"""Durable steps a second with 1, 100 and 1000 builds in flight: against the floor, and against peers."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from executor.collector import collect_for_long_lives
from tests.bench.engine import STEPS, Walk, commit_seconds, walk_once
from tests.bench.harness import quiet
from tests.bench.peers import PEERS, installed, peer_steps
from tests.bench.results import Figure, at_least, at_most

SIZES = (1, 100, 1000)
_ONE_AFTER_ANOTHER = 60
"""With one build in flight, so many builds follow each other: one alone is over too soon to be measured."""


def measure(quick: bool, sizes: tuple[int, ...] = SIZES) -> list[Figure]:
    """Every size; peers only when there is time for them."""
    quiet()
    collect_for_long_lives()  # as the daemon does
    figures = [] if 1 not in sizes else [_latency()]
    for size in sizes:
        figures += _rate(size, rounds=1 if quick else 3, with_peers=not quick)
    return figures


def _rate(size: int, rounds: int, with_peers: bool) -> list[Figure]:
    builds = size if size > 1 else _ONE_AFTER_ANOTHER
    walks, ratios = list[float](), list[float]()

    def walk() -> float:
        walked, raw = walk_once(builds, size)
        walks.append(builds * STEPS / walked.seconds)
        ratios.append(raw / walked.seconds)
        return walks[-1]

    peers: dict[str, tuple[float, float]] = {}
    for name in PEERS if with_peers and installed() else ():
        before = walk()
        rate = peer_steps(name, size)
        if rate is not None:
            peers[name] = rate, (before + walk()) / 2 / rate
    while len(walks) < rounds:
        walk()
    ours, ratio = median(walks), median(ratios)
    floor = f"sqlite3 alone, same rows: {ours / ratio:,.0f}/s"
    title = f"durable steps/s, {size} in flight"
    return [Figure(title, ours, "/s", floor, ratio), *_against_peers(title, size, ours, peers)]


def _against_peers(title: str, size: int, ours: float, peers: dict[str, tuple[float, float]]) -> list[Figure]:
    """`peers` are (steps a second, how many times as fast we were just before and after)."""
    figures = [
        Figure(f"{name}: steps/s, {size} in flight", rate, "/s", "ours, before and after", 1 / times)
        for name, (rate, times) in peers.items()
    ]
    if peers:
        best = min(peers, key=lambda name: peers[name][1])
        rate, times = peers[best]
        against = f"best peer, {best}: {rate:,.0f}/s"
        compared = at_least(title, ours, "/s", against, times, 15)
        figures.append(compared if size > 1 else replace(compared, target="", met=None))
    return figures


def _latency() -> Figure:
    ours: list[float] = []
    commits: list[float] = []
    for _ in range(3):
        commits += commit_seconds(100)
        walked: Walk = walk_once(10, 1)[0]
        ours += walked.gaps
    step, commit = median(ours) * 1e3, median(commits) * 1e3
    against = f"one small commit: {commit:.2f} ms"
    return at_most("step p50, 1 build", step, "ms", against, step / commit, 4)
