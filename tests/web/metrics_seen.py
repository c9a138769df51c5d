"""A scrape as a test looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

COMPONENT_UNITS = (
    "milliseconds", "ms", "microseconds", "us", "nanoseconds", "minutes", "hours", "days", "weeks",
    "kilobytes", "kb", "megabytes", "mb", "gigabytes", "bits", "percent", "cents",
)  # fmt: skip
"""What is written in seconds, bytes, ratios and whole dollars instead."""


@dataclass(frozen=True)
class Seen:
    """One scrape, by the names of its families and samples."""

    text: str
    families: Mapping[str, Metric]

    @classmethod
    def of(cls, text: str) -> Seen:
        """Parse it as Prometheus does; a family that comes twice is an error."""
        found: dict[str, Metric] = {}
        for family in text_string_to_metric_families(text):
            assert family.name not in found, family.name
            found[family.name] = family
        return cls(text, found)

    def samples(self, name: str) -> dict[frozenset[tuple[str, str]], float]:
        """Every sample of that name by its labels."""
        return {
            frozenset(sample.labels.items()): sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == name
        }

    def value(self, name: str, /, **labels: str) -> float:
        """The one sample with at least these labels."""
        found = [value for key, value in self.samples(name).items() if set(labels.items()) <= key]
        assert len(found) == 1, (name, labels, found, sorted(self.families))
        return found[0]
