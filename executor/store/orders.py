"""Builds that somebody ordered by message or task, and that are reported back when they end."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from executor.store import outbox
from executor.store.database import Database


@dataclass(frozen=True, slots=True)
class Order:
    """Whom to tell how a build ended: `kind` and `address` are those of the outbox row that will.

    `subject` is the message's trace or the task's id; `form` is what the answer repeats of the order.
    """

    kind: str
    subject: str
    address: str
    form: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """An ordered build that has ended and whose end is not in the outbox yet."""

    build_id: str
    order: Order
    finished_at: float


def write(connection: sqlite3.Connection, build_id: str, order: Order) -> None:
    """Write the order of a build inside the transaction that stores the build."""
    connection.execute(
        "INSERT INTO orders (build_id, kind, subject, address, form) VALUES (?, ?, ?, ?, ?)",
        (build_id, order.kind, order.subject, order.address, json.dumps(dict(order.form))),
    )


class Orders:
    """The orders table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ended(self) -> list[Ended]:
        """Ordered builds with an end that nobody was told of; a retried build ends more than once."""
        found = await self._database.fetch(
            "SELECT o.build_id, o.kind, o.subject, o.address, o.form, b.finished_at FROM orders AS o"
            " JOIN builds AS b ON b.id = o.build_id"
            " WHERE b.finished_at IS NOT NULL AND o.told_at IS NOT b.finished_at"
            " ORDER BY b.finished_at"
        )
        return [Ended(row["build_id"], _order(row), float(row["finished_at"])) for row in found]

    async def told(self, ended: Ended, message: outbox.Outgoing) -> None:
        """Put the report into the outbox and note that it is there, in one commit."""

        def both(c: sqlite3.Connection) -> None:
            outbox.put(c, message)
            c.execute("UPDATE orders SET told_at = ? WHERE build_id = ?", (ended.finished_at, ended.build_id))

        await self._database.write(both)

    async def builds_of(self, kind: str, subject: str) -> list[str]:
        """The ids of the builds that one order has led to, oldest first."""
        found = await self._database.fetch(
            "SELECT o.build_id FROM orders AS o JOIN builds AS b ON b.id = o.build_id"
            " WHERE o.kind = ? AND o.subject = ? ORDER BY b.created_at, b.id",
            (kind, subject),
        )
        return [str(row["build_id"]) for row in found]


def _order(row: sqlite3.Row) -> Order:
    return Order(row["kind"], row["subject"], row["address"], json.loads(row["form"]))
