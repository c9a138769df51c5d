"""Durations counted in cells, in constant memory."""

from __future__ import annotations

from bisect import bisect_left


class Histogram:
    """`bounds` are upper bounds in seconds, ascending; `counts` has one cell more than there are bounds."""

    __slots__ = ("bounds", "counts", "seconds")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.seconds += seconds
