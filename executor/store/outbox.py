"""The outbox: what others are to be told, kept until they were told or until it is no use any more."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from executor.domain.retry import LONGEST_RETRY_AFTER
from executor.store.database import Database

_WAITS = """
FROM outbox AS o WHERE sent_at IS NULL AND gave_up_at IS NULL AND kind IN (%s) AND NOT EXISTS (
    SELECT 1 FROM outbox AS e WHERE e.build_id = o.build_id AND e.kind = o.kind AND e.address = o.address
    AND e.number < o.number AND e.sent_at IS NULL AND e.gave_up_at IS NULL)
"""
_DUE = (
    f"SELECT id, kind, build_id, address, body, created_at, attempts, subject {_WAITS}"
    " AND NOT (next_at > ? AND next_at <= ?) ORDER BY number LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message. `attempts` are the tries so far; `created_at` is in seconds since the epoch.

    `subject` names what it asks about, so that its receipt can be found when that is settled.
    """

    id: str
    kind: str
    build_id: str
    address: str
    body: Mapping[str, Any]
    created_at: float
    attempts: int = 0
    subject: str | None = None

    @property
    def may_be_repeat(self) -> bool:
        """True when an earlier try may have arrived, so the receiver has to be warned."""
        return self.attempts > 1


def put(connection: sqlite3.Connection, message: Outgoing) -> bool:
    """Write a message inside any transaction; False when its id is there already."""
    cursor = connection.execute(
        "INSERT INTO outbox (id, kind, build_id, address, body, created_at, next_at, subject)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (message.id, message.kind, message.build_id, message.address,
         to_json(message.body, fallback=dict).decode(), message.created_at, message.created_at,
         message.subject),
    )  # fmt: skip
    return cursor.rowcount == 1


class Outbox:
    """The outbox table. Every method raises Unavailable when the disk refuses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, now: float, kinds: Sequence[str], limit: int = 50) -> list[Outgoing]:
        """Messages whose time has come (`is_due`), oldest first; later ones of a build wait for earlier."""
        marks = ", ".join("?" * len(kinds))
        values = (*kinds, now, now + LONGEST_RETRY_AFTER, limit)
        found = await self._database.fetch(_DUE % marks, values)
        return [Outgoing(**{**dict(row), "body": json.loads(row["body"])}) for row in found]

    async def next_at(self, kinds: Sequence[str]) -> float | None:
        """When the next message that may go comes due; None when nothing waits."""
        marks = ", ".join("?" * len(kinds))
        found = await self._database.fetch(f"SELECT min(next_at) AS at {_WAITS % marks}", kinds)
        return None if found[0]["at"] is None else float(found[0]["at"])

    async def begin(self, message_id: str, again_at: float) -> int:
        """Count a try before it is made; killed meanwhile, it comes due at `again_at`. Returns the count."""

        def write(c: sqlite3.Connection) -> int:
            row = c.execute(
                "UPDATE outbox SET attempts = attempts + 1, next_at = ? WHERE id = ? RETURNING attempts",
                (again_at, message_id),
            ).fetchone()
            return int(row["attempts"])

        return await self._database.write(write)

    async def sent(self, message_id: str, now: float, receipt: Mapping[str, Any] | None = None) -> None:
        """The receiver has it; `receipt` is what it answered, if that is of use later."""
        kept = None if receipt is None else json.dumps(dict(receipt))
        await self._set(message_id, "sent_at = ?, reason = NULL, receipt = ?", now, kept)

    async def receipt(self, subject: str, address: str) -> Mapping[str, Any] | None:
        """What an address answered to the newest message about a subject; None when nothing is kept."""
        found = await self._database.fetch(
            "SELECT receipt FROM outbox WHERE subject = ? AND address = ? AND receipt IS NOT NULL"
            " ORDER BY number DESC LIMIT 1",
            (subject, address),
        )
        return dict(json.loads(found[0]["receipt"])) if found else None

    async def told_before(
        self, message: Outgoing
    ) -> list[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
        """Body and receipt of what the same build told the same address before a message, newest first."""
        found = await self._database.fetch(
            "SELECT body, receipt FROM outbox WHERE build_id = ? AND address = ? AND kind = ?"
            " AND number < (SELECT number FROM outbox WHERE id = ?) ORDER BY number DESC",
            (message.build_id, message.address, message.kind, message.id),
        )
        return [(json.loads(r["body"]), json.loads(r["receipt"]) if r["receipt"] else None) for r in found]

    async def postponed(self, message_id: str, until: float, reason: str) -> None:
        """Not now; it comes due again at `until`."""
        await self._set(message_id, "next_at = ?, reason = ?", until, reason)

    async def given_up(self, message_id: str, now: float, reason: str) -> None:
        """Nobody will be told; the row says why."""
        await self._set(message_id, "gave_up_at = ?, reason = ?", now, reason)

    async def of_build(self, build_id: str) -> list[dict[str, Any]]:
        """What a build has told or has yet to tell, in order; of the bodies only what they are `about`."""
        found = await self._database.fetch(
            "SELECT id, kind, address, created_at, attempts, next_at, sent_at, gave_up_at, reason,"
            " json_extract(body, '$.kind') AS about FROM outbox WHERE build_id = ? ORDER BY number",
            (build_id,),
        )
        return [dict(row) for row in found]

    async def _set(self, message_id: str, changes: str, *values: object) -> None:
        sql = f"UPDATE outbox SET {changes} WHERE id = ?"  # noqa: S608
        await self._database.write(lambda c: c.execute(sql, (*values, message_id)) and None)
