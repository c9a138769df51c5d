"""The submit transaction: choose id, name and number, and write the build, in one commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from executor.domain.build import Build
from executor.domain.events import Event
from executor.errors import Conflict
from executor.store import builds as rows
from executor.store import orders
from executor.store.database import Database


@dataclass(frozen=True, slots=True)
class KnownDroplet:
    """A droplet id and name that builds of ours use."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class View:
    """What the submit decision may look at, read inside its own transaction."""

    droplets: tuple[KnownDroplet, ...]
    queued: int
    connection: sqlite3.Connection

    def number_for(self, prefix: str) -> int:
        """The next running number of build ids that begin with `prefix`."""
        row = self.connection.execute(
            "SELECT max(CAST(substr(id, ?) AS INTEGER)) FROM builds WHERE id >= ? AND id < ?",
            (len(prefix) + 1, prefix, prefix + "~"),
        ).fetchone()
        return int(row[0] or 0) + 1

    def last_intent(self, droplet_id: int) -> str:
        """The intent of the newest build of a droplet, empty if there is none."""
        row = self.connection.execute(
            "SELECT intent FROM builds WHERE droplet_id = ? ORDER BY created_at DESC LIMIT 1", (droplet_id,)
        ).fetchone()
        return str(row[0]) if row else ""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A stored submission; `replayed` when an idempotency key found the earlier one."""

    build: Build
    events: tuple[Event, ...]
    reply: str
    replayed: bool


Decide = Callable[[View], tuple[Build, tuple[Event, ...], str]]


class Submissions:
    """Writes new builds; the decision itself is the caller's pure function of a View."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def submit(
        self,
        decide: Decide,
        after: Callable[[Submitted], None],
        *,
        key: str = "",
        key_seconds: float | None = None,
        digest: str = "",
        order: orders.Order | None = None,
        now: float,
    ) -> Submitted:
        """Decide and write in one commit; `after` is called when it is on disk, whoever still waits.

        A key is good for `key_seconds` from its first use, or for good; `order` is who is told of the end.
        Raises Conflict IDEMPOTENCY_KEY_REUSED when `key` came with another body, and what `decide` raises.
        """

        def write(c: sqlite3.Connection) -> Submitted:
            if key:
                if key_seconds is not None:
                    c.execute(
                        "DELETE FROM idempotency_keys WHERE key = ? AND at <= ?", (key, now - key_seconds)
                    )
                row = c.execute(
                    "SELECT digest, build_id, reply FROM idempotency_keys WHERE key = ?", (key,)
                ).fetchone()
                if row is not None:
                    return _replay(c, row, digest)
            build, events, reply = decide(View(_droplets(c), _queued(c), c))
            rows.insert(c, build, events)
            c.execute(
                "INSERT INTO droplets (id, name, updated_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (build.droplet_id, build.droplet_name, build.created_at),
            )
            if order is not None:
                orders.write(c, build.id, order)
            if key:
                c.execute(
                    "INSERT INTO idempotency_keys VALUES (?, ?, ?, ?, ?)", (key, digest, build.id, reply, now)
                )
            return Submitted(build, events, reply, replayed=False)

        stored: list[Submitted] = []

        def keep(c: sqlite3.Connection) -> Submitted:
            stored.append(write(c))
            return stored[-1]

        return await self._database.write(keep, lambda: after(stored[-1]))

    async def look(self, read: Callable[[View], None]) -> None:
        """Let `read` look at what a submit would see, without writing anything."""
        await self._database.read(lambda c: read(View(_droplets(c), _queued(c), c)))

    async def known_droplets(self) -> tuple[KnownDroplet, ...]:
        """Every droplet id and name that a build of ours has used."""
        return await self._database.read(_droplets)


def _replay(c: sqlite3.Connection, row: sqlite3.Row, digest: str) -> Submitted:
    if row["digest"] != digest:
        raise Conflict(
            "This Idempotency-Key came before with another body; nothing was started.",
            hint="Send the first body again, or choose a new key.",
            code="IDEMPOTENCY_KEY_REUSED",
            details={"build_id": row["build_id"]},
        )
    found = c.execute(f"{rows.SELECT} WHERE id = ?", (row["build_id"],)).fetchone()
    return Submitted(rows.from_row(found), (), row["reply"], replayed=True)


def _droplets(c: sqlite3.Connection) -> tuple[KnownDroplet, ...]:
    found = c.execute("SELECT id, name FROM droplets").fetchall()
    return tuple(KnownDroplet(int(row[0]), str(row[1])) for row in found)


def _queued(c: sqlite3.Connection) -> int:
    return int(c.execute("SELECT count(*) FROM builds WHERE state = 'queued'").fetchone()[0])
