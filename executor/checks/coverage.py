"""How much of the droplet its tests run, read from a report that the code under test could have touched."""

from __future__ import annotations

import json
from pathlib import Path

from executor.checks.rules import judged
from executor.checks.seal import SealedRun
from executor.domain.findings import Finding

LOWEST_COVERAGE = 80.0


def executed_lines(path: Path, run: SealedRun) -> dict[str, frozenset[int]]:
    """The lines that ran, by file name; empty when no report says so that the runner vouches for."""
    if not run.wrote(path):
        return {}
    try:
        files = json.loads(path.read_text("utf-8"))["files"]
        return {str(name): frozenset(map(int, file["executed_lines"])) for name, file in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def check_coverage(path: Path, run: SealedRun) -> Finding:
    """C11 and U18: the share of app/ that ran, believed only if the runner sealed the report."""
    title = f"The tests cover at least {LOWEST_COVERAGE:.0f} % of app/"
    if not run.wrote(path):
        return judged("C11", title, ["the run left no coverage report that the runner vouches for"])
    try:
        percent = float(json.loads(path.read_text("utf-8"))["totals"]["percent_covered"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return judged("C11", title, [f"the coverage report cannot be read: {error}"])
    enough = LOWEST_COVERAGE <= percent <= 100.0  # JSON's NaN and Infinity are neither
    low = [] if enough else [f"{percent:.1f} % is covered"]
    return judged("C11", title, low, f"{percent:.1f} %")
