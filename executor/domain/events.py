"""Events: past-tense facts of a build, numbered within it, stored with the checkpoint they tell of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from executor.domain.build import STEP_NAMES


def iso(seconds: float) -> str:
    """Write an instant (seconds since the epoch) the way every reply writes it: ISO 8601, UTC, Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A fact that is about to be written; the checkpoint gives it its number.

    `step` and `attempt` are those of the checkpoint unless the fact is about an earlier one.
    """

    event_type: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)
    step: int | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A written fact. `seq` counts from 1 within the build without gaps."""

    build_id: str
    seq: int
    event_type: str
    step: int
    attempt: int
    progress_percent: int
    message: str
    timestamp: float
    data: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The wire form (interfaces.md, Events)."""
        return {
            "v": 1,
            "seq": self.seq,
            "event_type": self.event_type,
            "build_id": self.build_id,
            "step": self.step,
            "step_name": STEP_NAMES[self.step - 1],
            "attempt": self.attempt,
            "progress_percent": self.progress_percent,
            "message": self.message,
            "timestamp": iso(self.timestamp),
            "data": dict(self.data),
        }

    def frame(self) -> str:
        """The wire form as text; encoded once and shared by every watcher."""
        return json.dumps(self.as_json(), ensure_ascii=False, separators=(",", ":"))
