"""Durable steps a second with 1, 100 and 1000 builds in flight: against the floor, and against peers."""

from __future__ import annotations

from statistics import median

from tests.bench.engine import STEPS, Walk, commit_seconds, walk_once
from tests.bench.harness import quiet
from tests.bench.peers import peers_steps
from tests.bench.results import Figure, at_least, at_most

SIZES = (1, 100, 1000)
_ONE_AFTER_ANOTHER = 60
"""With one build in flight, so many builds follow each other: one alone is over too soon to be measured."""


def measure(quick: bool, sizes: tuple[int, ...] = SIZES) -> list[Figure]:
    """Every size; peers only when there is time for them."""
    quiet()
    figures = [] if 1 not in sizes else [_latency()]
    for size in sizes:
        figures += _rate(size, rounds=1 if quick else 3, with_peers=not quick)
    return figures


def _rate(size: int, rounds: int, with_peers: bool) -> list[Figure]:
    builds = size if size > 1 else _ONE_AFTER_ANOTHER
    walks: list[float] = []
    floors: list[float] = []
    peers: dict[str, list[float]] = {}
    for _ in range(rounds):
        walked, raw = walk_once(builds, size)
        walks.append(walked.seconds)
        floors.append(raw)
    if with_peers:
        peers = peers_steps(size)
    ours, floor = (builds * STEPS / median(seconds) for seconds in (walks, floors))
    name = f"durable steps/s, {size} in flight"
    figures = [Figure(name, ours, "/s", f"sqlite3 alone, same rows: {floor:,.0f}/s", ours / floor)]
    return figures + _against_peers(name, size, ours, {peer: median(rates) for peer, rates in peers.items()})


def _against_peers(name: str, size: int, ours: float, peers: dict[str, float]) -> list[Figure]:
    if not peers:
        return []
    best = max(peers, key=lambda peer: peers[peer])
    figures = [
        Figure(f"{peer}: steps/s, {size} in flight", rate, "/s", "ours", rate / ours)
        for peer, rate in peers.items()
    ]
    against = f"best peer, {best}: {peers[best]:,.0f}/s"
    if size == 1:
        return [*figures, Figure(name, ours, "/s", against, ours / peers[best])]
    return [*figures, at_least(name, ours, "/s", against, ours / peers[best], 15)]


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
