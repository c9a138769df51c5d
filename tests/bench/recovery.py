"""kill -9 with 1000 builds in flight: from the start of the next process until all of them run again."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from tests.acceptance.daemon import free_port
from tests.bench.filled import deploy_next
from tests.bench.harness import Child, place
from tests.bench.peers import installed, langgraph_waiting
from tests.bench.results import Figure, at_least, bounded


def measure(quick: bool, count: int = 1000) -> list[Figure]:
    """Ours, and LangGraph driven by hand where it is installed; the two take turns."""
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(1 if quick else 3):
        ours.append(_recovery(partial(_ours, count=count), lambda state_dir: deploy_next(state_dir, count)))
        if not quick and installed():
            theirs.append(_recovery(lambda state_dir: langgraph_waiting(state_dir, count)))
    name, seconds = f"kill -9 to running, {count} in flight", median(ours)
    figures = [bounded(name, seconds, "s", 1.0)]
    if theirs:
        other = median(theirs)
        figures.append(at_least(name, seconds, "s", f"LangGraph: {other:.2f} s", other / seconds, 4))
    return figures


def _recovery(start: Callable[[Path], Child], fill: Callable[[Path], object] = str) -> float:
    with place() as state_dir:
        fill(state_dir)
        first = start(state_dir)
        first.answer()
        first.end()
        began = time.perf_counter()
        second = start(state_dir)
        second.answer()
        seconds = time.perf_counter() - began
        second.end()
    return seconds


def _ours(state_dir: Path, count: int) -> Child:
    return Child("tests.bench.start_served", state_dir, free_port(), count)
