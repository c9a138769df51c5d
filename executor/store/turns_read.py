"""What a build's model calls were and cost, read back from the tables of store/turns.py."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from typing import Any

from executor.store.database import Database

_LONGEST_ABOUT = 200
# What a call was about, without what it carries: a tool's input may be a whole file.
_ABOUT = "coalesce(json_extract(input, '$.path'), json_extract(input, '$.command'), '')"
_TOKENS = ("input", "output", "cache_read", "cache_write")


class TurnsRead:
    """The reading side of turns and tool calls. Times are seconds since the epoch, durations seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_build(self, build_id: str) -> list[dict[str, Any]]:
        """Every model call of a build in order: the columns of its row, `tokens`, `seconds` and `calls`.

        `usd` and `seconds` are None where they are not known: a call that a kill cut off was perhaps paid.
        """
        return await self._database.read(lambda connection: _of_build(connection, build_id))


def _of_build(connection: sqlite3.Connection, build_id: str) -> list[dict[str, Any]]:
    calls: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in connection.execute(
        f"SELECT turn, name, {_ABOUT} AS about, state, started_at, finished_at, is_error"  # noqa: S608
        " FROM tool_calls WHERE build_id = ? ORDER BY turn, position",
        (build_id,),
    ):
        calls[row["turn"]].append(_call(row))
    turns = connection.execute("SELECT * FROM turns WHERE build_id = ? ORDER BY number", (build_id,))
    return [{**_turn(row), "calls": calls[row["number"]]} for row in turns]


def _call(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "name": row["name"],
        "about": next(iter(str(row["about"]).strip().splitlines()), "")[:_LONGEST_ABOUT],
        "state": row["state"],
        "seconds": _between(row["started_at"], row["finished_at"]),
        "is_error": bool(row["is_error"]),
    }


def _turn(row: sqlite3.Row) -> dict[str, Any]:
    kept = ("number", "conversation", "model", "state", "asked_at", "stop_reason", "usd", "error")
    return {
        **{name: row[name] for name in kept},
        # A lost call ended when a later daemon found it, which says nothing about how long it took.
        "seconds": None if row["state"] == "lost" else _between(row["asked_at"], row["ended_at"]),
        "tokens": {name: row[f"{name}_tokens"] for name in _TOKENS},
    }


def _between(begun: float, ended: float | None) -> float | None:
    return None if ended is None else round(max(0.0, ended - begun), 3)
