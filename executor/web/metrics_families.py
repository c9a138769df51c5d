"""Families of metrics from plain mappings. Values are by tuples of their labels, in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

Values = Mapping[Any, float]


def one(value: float) -> Values:
    """The only value of a family without labels."""
    return {(): value}


def gauge(name: str, says: str, values: Values, labels: Sequence[str] = ()) -> Metric:
    """What goes up and down."""
    family = GaugeMetricFamily(name, says, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def counter(name: str, says: str, values: Values, labels: Sequence[str] = ()) -> Metric:
    """What only grows; `name` is without its `_total`."""
    family = CounterMetricFamily(name, says, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def histogram(
    name: str,
    says: str,
    bounds: Sequence[float],
    cells: Mapping[Any, tuple[Sequence[int], float]],
    labels: Sequence[str] = (),
) -> Metric:
    """Cells and sum by labels; Prometheus wants each bucket to hold those below it too."""
    family = HistogramMetricFamily(name, says, labels=labels)
    names = [*(f"{bound:g}" for bound in bounds), "+Inf"]
    for key, (counts, total) in cells.items():
        family.add_metric(key, list(zip(names, map(float, accumulate(counts)), strict=True)), total)
    return family


def zeros(keys: Iterable[str], found: Mapping[str, float]) -> Values:
    """Every key that there can be, so that a rate has something to start from, and what was found."""
    return {(key,): value for key, value in {**dict.fromkeys(keys, 0), **found}.items()}
