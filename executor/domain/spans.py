"""Spans: what a build did and when, as OpenTelemetry has it; ids are derived, so restarts go on in them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

Value = str | int | float | bool | tuple[str, ...]


class Kind(IntEnum):
    """opentelemetry.proto.trace.v1.Span.SpanKind."""

    INTERNAL = 1
    CLIENT = 3


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened within a span; `at` is in seconds since the epoch."""

    name: str
    at: float
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """One span; its times are in seconds since the epoch. `error` says why it failed, None if it did not."""

    name: str
    span_id: str
    parent_id: str
    kind: Kind
    start: float
    end: float
    attributes: Mapping[str, Value] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    error: str | None = None


class Ids:
    """The ids of one build's trace: the same on every try and after every restart.

    `salt` is the state directory's own, for two executors may have builds of one name.
    """

    def __init__(self, salt: bytes, build_id: str) -> None:
        self._salt = salt
        self._build_id = build_id

    @property
    def trace(self) -> str:
        """The trace, 16 bytes in hex."""
        return self._derived("trace")[:32]

    def span(self, *what: object) -> str:
        """The span of one thing that the build did, 8 bytes in hex."""
        return self._derived("span", *what)[:16]

    def _derived(self, *what: object) -> str:
        text = "\0".join(("fpai", self._build_id, *map(str, what)))
        return hmac.new(self._salt, text.encode(), hashlib.sha256).hexdigest()


def present(attributes: Mapping[str, Any]) -> dict[str, Value]:
    """The attributes that have a value."""
    return {name: value for name, value in attributes.items() if value is not None and value != ""}
