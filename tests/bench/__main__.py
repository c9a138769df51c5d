"""`python -m tests.bench [NAME …] [--quick]`: measure, print a table, write .bench/results.json."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence

from rich.console import Console

from tests.bench import results
from tests.bench.harness import BENCH

NAMES = (
    "steps",
    "recovery",
    "memory",
    "daemon",
    "requests",
    "watchers",
    "growth",
    "sandbox",
    "loop",
    "deploy",
)


def main(words: Sequence[str] | None = None) -> int:
    """Measure what is named, everything without names. Returns 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no peers: under a minute")
    asked = parser.parse_args(words)
    unknown = set(asked.names) - set(NAMES)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(NAMES)}")
    signal.signal(signal.SIGTERM, _leave)
    console = Console(width=None if sys.stdout.isatty() else 170)
    figures: list[results.Figure] = []
    for name in asked.names or NAMES:
        console.print(f"[dim]measuring {name} …[/]")
        figures += importlib.import_module(f"tests.bench.{name}").measure(asked.quick)
        results.write(figures, BENCH / "results.json")
    results.show(figures, console)
    missed = [figure.name for figure in figures if figure.met is False]
    console.print(f"{len(missed)} targets missed: {', '.join(missed)}" if missed else "Every target is met.")
    return 1 if missed else 0


def _leave(number: int, _: object) -> None:
    """Let every measurement end what it has started."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
