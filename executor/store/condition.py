"""What waits right now: builds, gates, retries, messages, traces, and since when. Only indexes are read."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from executor.store.database import Database


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many there are, and since when the oldest has waited: seconds since the epoch, None for nobody."""

    count: int = 0
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """Unfinished builds by state, with the gates, retries, messages and traces that wait among them."""

    builds: Mapping[str, int]
    gates: Mapping[str, Waiting]
    retries: Waiting
    messages: Waiting
    traces: Waiting


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes of the database, of its write-ahead log, and free on the disk of the state directory."""

    database: int
    wal: int
    free: int


async def condition(database: Database) -> Condition:
    """As of the last commit."""
    return await database.read(_read)


def room(database: Path) -> Room:
    """The sizes of the files at this moment. It blocks for as long as a stat does."""
    wal = database.with_name(f"{database.name}-wal")
    return Room(_size(database), _size(wal), shutil.disk_usage(database.parent).free)


_BUILDS = """
SELECT state, count(*) AS count, min(retrying_since) AS retrying,
       min(json_extract(hold, '$.opened_at')) AS opened
FROM builds INDEXED BY builds_unfinished
WHERE state IN ('queued', 'in_progress', 'waiting_approval', 'waiting_input', 'waiting_retry', 'withdrawing')
GROUP BY state
"""
_MESSAGES = """
SELECT count(*) AS count, min(created_at) AS since FROM outbox INDEXED BY outbox_open
WHERE sent_at IS NULL AND gave_up_at IS NULL
"""
_TRACES = "SELECT count(*) AS count, min(at) AS since FROM trace_queue"


def _read(connection: sqlite3.Connection) -> Condition:
    rows = {row["state"]: row for row in connection.execute(_BUILDS)}
    gates = {
        state.removeprefix("waiting_"): _held(rows.get(state))
        for state in ("waiting_approval", "waiting_input")
    }
    retry = rows.get("waiting_retry")
    return Condition(
        builds={state: row["count"] for state, row in rows.items()},
        gates=gates,
        retries=Waiting(retry["count"], retry["retrying"]) if retry else Waiting(),
        messages=Waiting(*connection.execute(_MESSAGES).fetchone()),
        traces=Waiting(*connection.execute(_TRACES).fetchone()),
    )


def _held(row: sqlite3.Row | None) -> Waiting:
    if row is None:
        return Waiting()
    opened = datetime.fromisoformat(row["opened"]).timestamp() if row["opened"] else None
    return Waiting(row["count"], opened)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
