"""How much a sweep tries: a sample in `make test`, everything in `make test-all` and `make proof`."""

from __future__ import annotations

import os
from types import ModuleType

IN_FULL = os.environ.get("FPAI_SWEEP") == "all"
"""Whether every point, seed, state and attack is to be tried."""


def scaled(sample: int, full: int) -> int:
    """`full` when everything is to be tried, else `sample`."""
    return full if IN_FULL else sample


def is_sampled(module: ModuleType) -> bool:
    """Whether this run tries less in the module's tests than `make proof` does."""
    return not IN_FULL and not {"IN_FULL", "scaled"}.isdisjoint(vars(module))
