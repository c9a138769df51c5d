"""What has ended since the collector of traces took something last, read back with all that belongs to it.

Migration 0005's triggers put a row into the queue in the transaction that ends an attempt or a build, so that
neither a kill nor a collector that is away loses one, and building has no part in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from executor.store.database import Database

Row = Mapping[str, Any]
_MOST_PARTS = 500
_MOST_EVENTS = 100
_ENDS = (
    "('build_completed', 'build_failed', 'build_cancelled', 'build_rejected',"
    " 'release_withdrawn', 'release_kept')"
)


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt (`run`, a row of step_runs) or, without one, a build that ended as `outcome` at `at`.

    `since` is when what came before it had ended; turns, calls and effects are those begun after that.
    `ends` are the times at which the build had ended before. Times are epoch seconds.
    """

    number: int
    build: Row
    run: Row | None
    outcome: str
    at: float
    since: float
    ends: tuple[float, ...]
    turns: tuple[Row, ...]
    calls: tuple[Row, ...]
    effects: tuple[Row, ...]
    events: tuple[Row, ...]

    @property
    def parts(self) -> int:
        """How much there is to tell of it."""
        return 1 + len(self.turns) + len(self.calls) + len(self.effects)


class Traces:
    """The tables tracing and trace_queue. Writing methods raise Unavailable when the disk refuses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, wanted: bool) -> None:
        """From now on put what ends into the queue, or do so no more and empty it."""
        on = bool(await self._database.fetch("SELECT 1 FROM tracing"))
        if wanted and not on:
            await self._database.write(
                lambda c: c.execute("INSERT OR IGNORE INTO tracing VALUES (1)") and None
            )
        elif on and not wanted:
            await self._database.write(_stopped)

    async def due(self) -> list[Ended]:
        """The oldest entries of the queue, in order, not many more than 500 spans of them."""
        return await self._database.read(_due)

    async def taken(self, number: int) -> None:
        """The collector has everything up to this entry."""
        await self._database.write(
            lambda c: c.execute("DELETE FROM trace_queue WHERE number <= ?", (number,)) and None
        )

    async def forget(self, before: float, most: int) -> int:
        """Drop what ended before an instant, and the oldest beyond so many entries; returns how many."""

        def write(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "DELETE FROM trace_queue WHERE at < ? OR number <="
                " (SELECT number FROM trace_queue ORDER BY number DESC LIMIT 1 OFFSET ?)",
                (before, most),
            ).rowcount

        return await self._database.write(write)


def _stopped(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM tracing")
    connection.execute("DELETE FROM trace_queue")


def _due(connection: sqlite3.Connection) -> list[Ended]:
    found: list[Ended] = []
    for entry in connection.execute("SELECT * FROM trace_queue ORDER BY number LIMIT 50"):
        found.append(_ended(connection, entry))
        if sum(ended.parts for ended in found) >= _MOST_PARTS:
            break
    return found


def _ended(connection: sqlite3.Connection, entry: sqlite3.Row) -> Ended:
    build_id, at = entry["build_id"], entry["at"]

    def rows(sql: str, *values: object) -> tuple[Row, ...]:
        return tuple(dict(row) for row in connection.execute(sql, values))

    build = rows(_BUILD, build_id)[0]
    run = next(iter(rows("SELECT * FROM step_runs WHERE id = ?", entry["run"])), None)
    ends = tuple(r["at"] for r in rows(_EARLIER_ENDS, build_id, at))
    before = rows(_EARLIER_RUN, build_id, entry["run"] if run else None, at)[0]["at"]
    since = max(build["created_at"], *ends, before or 0.0)
    window = (build_id, since, at)
    step = (run["step"], run["attempt"]) if run else (0, 0)
    return Ended(
        number=entry["number"],
        build=build,
        run=run,
        outcome=run["ended"] if run else entry["outcome"],
        at=at,
        since=since,
        ends=ends,
        turns=rows(_TURNS, *window),
        calls=rows(_CALLS, *window),
        effects=rows(_EFFECTS, *window),
        events=rows(_EVENTS, build_id, *step, since, _MOST_EVENTS),
    )


_BUILD = """
SELECT id, intent, droplet_id, droplet_name, approval_mode, target, created_at, repairs,
       json_extract(facts, '$.cost_usd') AS usd, json_extract(facts, '$.tokens') AS tokens,
       json_extract(facts, '$.provider') AS provider, json_extract(error, '$.message') AS error
FROM builds WHERE id = ?
"""
_EARLIER_ENDS = f"""
SELECT at FROM events WHERE build_id = ? AND event_type IN {_ENDS} AND at < ? ORDER BY seq
"""  # noqa: S608
# Of a run, the one before it; of a build's end, the last one that it has.
_EARLIER_RUN = """
SELECT max(at) AS at FROM step_runs WHERE build_id = ?1 AND (id < ?2 OR (?2 IS NULL AND at <= ?3))
"""
_TURNS = "SELECT * FROM turns WHERE build_id = ? AND asked_at > ? AND asked_at <= ? ORDER BY number"
_CALLS = """
SELECT turn, position, call_id, name, state, started_at, finished_at, is_error FROM tool_calls
WHERE build_id = ? AND started_at > ? AND started_at <= ? ORDER BY turn, position
"""
_EFFECTS = """
SELECT key, begun_at, done_at FROM effects
WHERE build_id = ? AND begun_at > ? AND begun_at <= ? ORDER BY begun_at, key
"""
_EVENTS = """
SELECT event_type, at, message FROM events WHERE build_id = ? AND step = ? AND attempt = ? AND at >= ?
ORDER BY seq LIMIT ?
"""
