"""Builds as rows: checkpoints in, builds out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from executor.domain.build import ApprovalMode, Build, CompletedStep, State
from executor.domain.events import Event
from executor.domain.outcome import Artifact
from executor.domain.step import Also
from executor.errors import StaleView

_FIXED = (
    "id", "intent", "approval_mode", "auto_approve", "chosen_id", "notify_channels", "target",
    "request_id", "created_at",
)  # fmt: skip
_MOVING = (
    "version", "state", "step", "attempt", "droplet_id", "droplet_name", "budget_usd", "updated_at",
    "step_started_at", "finished_at", "working_seconds", "last_seq", "retries", "repairs", "retrying_since",
    "wake_at", "hold", "review", "error", "withdraw_to", "completed", "warnings", "facts",
)  # fmt: skip
_COLUMNS = ", ".join(_FIXED + _MOVING)
_INSERT = f"INSERT INTO builds ({_COLUMNS}) VALUES ({', '.join('?' * len(_FIXED + _MOVING))})"  # noqa: S608
_INDEXED = ("state", "droplet_id")
_UNINDEXED = tuple(name for name in _MOVING if name not in _INDEXED)
_MOVE = f"UPDATE builds SET {', '.join(f'{name} = ?' for name in _MOVING)} WHERE id = ? AND version = ?"  # noqa: S608
_STAY = (
    f"UPDATE builds SET {', '.join(f'{name} = ?' for name in _UNINDEXED)}"  # noqa: S608
    " WHERE id = ? AND version = ? AND state = ? AND droplet_id = ?"
)
SELECT = f"SELECT {_COLUMNS} FROM builds"  # noqa: S608
_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_RUN = "INSERT INTO step_runs (build_id, step, attempt, ended, at, seconds) VALUES (?, ?, ?, ?, ?, ?)"
_ARTIFACT = """
INSERT INTO artifacts (build_id, kind, version, body, meta, at)
SELECT ?, ?, coalesce(max(version), 0) + 1, ?, ?, ? FROM artifacts WHERE build_id = ? AND kind = ?
"""


@dataclass(frozen=True, slots=True)
class StepRun:
    """One ended attempt of a step; `ended` is done, repair, retry or failed."""

    step: int
    attempt: int
    ended: str
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Saying:
    """A decision at a gate, an answer, or a repair's feedback."""

    gate_id: str
    checkpoint: str
    decision: str
    feedback: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One committed transition: the build as it now is, and everything that is told with it."""

    build: Build
    events: tuple[Event, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    run: StepRun | None = None
    saying: Saying | None = None
    also: Also | None = None


def insert(connection: sqlite3.Connection, build: Build, events: Sequence[Event]) -> None:
    """Write a new build and its first events."""
    fixed = (
        build.id, build.intent, build.approval_mode, int(build.auto_approve), int(build.chosen_id),
        _json(build.notify_channels), build.target, build.request_id, build.created_at,
    )  # fmt: skip
    connection.execute(_INSERT, (*fixed, *_moving(build)))
    connection.executemany(_EVENT, [_event_row(event) for event in events])


def apply(connection: sqlite3.Connection, checkpoint: Checkpoint) -> None:
    """Write one checkpoint. Raises StaleView when the row is not at the version it was made from."""
    build = checkpoint.build
    if not _update(connection, build):
        raise StaleView(f"Build {build.id} has moved on; this change was made from an older view of it.")
    for event in checkpoint.events:
        connection.execute(_EVENT, _event_row(event))
    if checkpoint.run is not None:
        run = checkpoint.run
        connection.execute(_RUN, (build.id, run.step, run.attempt, run.ended, run.at, run.seconds))
    for artifact in checkpoint.artifacts:
        values = (build.id, artifact.kind, artifact.body, _json(artifact.meta), build.updated_at)
        connection.execute(_ARTIFACT, (*values, build.id, artifact.kind))
    if checkpoint.saying is not None:
        said = checkpoint.saying
        connection.execute(
            "INSERT INTO decisions (build_id, gate_id, checkpoint, decision, feedback, at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (build.id, said.gate_id, said.checkpoint, said.decision, said.feedback, build.updated_at),
        )
    if checkpoint.also is not None:
        checkpoint.also(connection)


def _update(connection: sqlite3.Connection, build: Build) -> bool:
    """SQLite rewrites an index's entry whenever its column is set, so most checkpoints do not set one."""
    moving, key = _moving(build), (build.id, build.version - 1)
    staying = [value for name, value in zip(_MOVING, moving, strict=True) if name not in _INDEXED]
    stays = connection.execute(_STAY, (*staying, *key, build.state, build.droplet_id))
    return stays.rowcount == 1 or connection.execute(_MOVE, (*moving, *key)).rowcount == 1


def from_row(row: sqlite3.Row) -> Build:
    """Read one build back."""
    values: dict[str, Any] = dict(row)
    values["state"] = State(values["state"])
    values["approval_mode"] = ApprovalMode(values["approval_mode"])
    values["withdraw_to"] = State(values["withdraw_to"]) if values["withdraw_to"] else None
    values["auto_approve"] = bool(values["auto_approve"])
    values["chosen_id"] = bool(values["chosen_id"])
    values["notify_channels"] = tuple(json.loads(values["notify_channels"]))
    values["warnings"] = tuple(json.loads(values["warnings"]))
    values["completed"] = tuple(CompletedStep(*pair) for pair in json.loads(values["completed"]))
    values["facts"] = json.loads(values["facts"])
    for name in ("hold", "review", "error"):
        values[name] = json.loads(values[name]) if values[name] else None
    return Build(**values)


def _moving(build: Build) -> tuple[Any, ...]:
    return (
        build.version, build.state, build.step, build.attempt, build.droplet_id, build.droplet_name,
        build.budget_usd, build.updated_at, build.step_started_at, build.finished_at,
        build.working_seconds, build.last_seq, build.retries, build.repairs, build.retrying_since,
        build.wake_at, _json(build.hold), _json(build.review), _json(build.error), build.withdraw_to,
        _json([(c.step, c.seconds) for c in build.completed]), _json(build.warnings), _json(build.facts),
    )  # fmt: skip


def _event_row(event: Event) -> tuple[Any, ...]:
    return (
        event.build_id, event.seq, event.event_type, event.step, event.attempt, event.progress_percent,
        event.message, event.timestamp, _json(event.data),
    )  # fmt: skip


def _json(value: object) -> str | None:
    return None if value is None else to_json(value, fallback=dict).decode()
