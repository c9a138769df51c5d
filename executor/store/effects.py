"""Side effects by key: the intent is on disk before the act, the result after it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from executor.store.database import Database


@dataclass(frozen=True, slots=True)
class Effect:
    """`result` is None while nobody knows whether the act happened."""

    key: str
    result: Mapping[str, Any] | None


class Effects:
    """The effects table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, key: str, build_id: str, step: int, now: float) -> Effect:
        """Write the intent row unless it is there, and return what is known of the effect."""

        def write(connection: sqlite3.Connection) -> Effect:
            connection.execute(
                "INSERT INTO effects (key, build_id, step, begun_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (key) DO NOTHING",
                (key, build_id, step, now),
            )
            row = connection.execute("SELECT result FROM effects WHERE key = ?", (key,)).fetchone()
            return Effect(key, json.loads(row["result"]) if row["result"] is not None else None)

        return await self._database.write(write)

    async def done(self, key: str, result: Mapping[str, Any], now: float) -> None:
        """Write the result row."""
        text = json.dumps(dict(result), ensure_ascii=False)
        await self._database.write(
            lambda c: (
                c.execute("UPDATE effects SET done_at = ?, result = ? WHERE key = ?", (now, text, key))
                and None
            )
        )

    async def of_build(self, build_id: str) -> list[dict[str, Any]]:
        """All effects of one build in the order in which they began."""
        found = await self._database.fetch(
            "SELECT key, step, begun_at, done_at FROM effects WHERE build_id = ? ORDER BY begun_at, key",
            (build_id,),
        )
        return [dict(row) for row in found]
