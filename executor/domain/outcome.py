"""What a step answers. The runner turns an outcome into one checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from executor.domain.events import NewEvent


@dataclass(frozen=True, slots=True)
class Artifact:
    """Something that a step made and that people read: `spec`, `diff`, `tests` or `report`.

    `body` is text (Markdown, a diff, JSON); `meta` is small and shown in lists.
    """

    kind: str
    body: str
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """The step is complete. `facts` join the build's; `artifacts` and `events` share its checkpoint.

    `droplet_id` is set by step 1 alone, when the number that the executor chose turned out to be taken.
    """

    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()
    events: tuple[NewEvent, ...] = ()
    droplet_id: int | None = None


@dataclass(frozen=True, slots=True)
class Repair:
    """The droplet is at fault: go back to `to_step` with `feedback` for whoever builds it."""

    reason: str
    feedback: str
    to_step: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """Only a person can say how to go on; `questions` are {id, question, options, default}.

    `needs` is `budget` where a top-up alone lets the build go on.
    """

    reason: str
    questions: tuple[Mapping[str, Any], ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A release that was to be taken back stays, for what was to serve instead cannot; `message` says why."""

    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)


Outcome = Done | Repair | Ask | Kept
