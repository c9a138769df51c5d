"""Reading builds and their history; the newest builds are kept in memory, written through by checkpoints."""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from executor.domain.build import Build, State
from executor.domain.events import Event
from executor.errors import NotFound
from executor.store import builds as rows
from executor.store.database import Database

_CACHED = 4096
_EVENT_COLUMNS = (
    "build_id, seq, event_type, step, attempt, percent AS progress_percent, message, at AS timestamp, data"
)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, newest first; `cursor` asks for the next, None at the end."""

    builds: tuple[Build, ...]
    cursor: str | None


class Builds:
    """The builds table. All writes of a build's row go through `checkpoint` or the submit transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: OrderedDict[str, Build] = OrderedDict()

    async def checkpoint(self, checkpoint: rows.Checkpoint, after: Callable[[], None]) -> None:
        """Store one transition with its events; `after` is called when it is on disk, whoever still waits.

        Raises StaleView on an older version.
        """

        def committed() -> None:
            self.remember(checkpoint.build)
            after()

        await self._database.write(lambda c: rows.apply(c, checkpoint), committed)

    def remember(self, build: Build) -> None:
        """Put a build that has just been committed into the cache, unless a newer one is there."""
        known = self._cache.get(build.id)
        if known is None or known.version <= build.version:
            self._cache[build.id] = build
            self._cache.move_to_end(build.id)
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)

    def forget(self, build_id: str) -> None:
        """Drop a build from memory, so that the next look reads the database."""
        self._cache.pop(build_id, None)

    def cached(self, build_id: str) -> Build | None:
        """Return the build if it is in memory."""
        return self._cache.get(build_id)

    async def get(self, build_id: str) -> Build:
        """Return one build. Raises NotFound."""
        known = self._cache.get(build_id)
        if known is not None:
            return known
        found = await self._database.fetch(f"{rows.SELECT} WHERE id = ?", (build_id,))
        if not found:
            raise NotFound(
                f"There is no build {build_id!r}.", hint="List them with `fpai list`.", code="BUILD_NOT_FOUND"
            )
        build = rows.from_row(found[0])
        self.remember(build)
        return self._cache[build_id]

    async def unfinished(self) -> list[Build]:
        """Every build that still has a way to go, oldest first."""
        states = (
            "('queued', 'in_progress', 'waiting_approval', 'waiting_input', 'waiting_retry', 'withdrawing')"
        )
        found = await self._database.fetch(f"{rows.SELECT} WHERE state IN {states} ORDER BY created_at, id")
        builds = [rows.from_row(row) for row in found]
        for build in builds:
            self.remember(build)
        return builds

    async def page(
        self,
        *,
        states: Iterable[State] = (),
        droplet_id: int | None = None,
        limit: int = 50,
        cursor: str | None = None,
        text: str = "",
    ) -> Page:
        """One page of builds, newest first; `text` is looked for in their ids and intents."""
        where = ["1"]
        values: list[Any] = []
        wanted = tuple(states)
        if wanted:
            where.append(f"state IN ({', '.join('?' * len(wanted))})")
            values += wanted
        if droplet_id is not None:
            where.append("droplet_id = ?")
            values.append(droplet_id)
        if text:
            where.append("(instr(lower(intent), lower(?)) > 0 OR instr(id, lower(?)) > 0)")
            values += [text, text]
        if cursor:
            at, _, build_id = cursor.partition("_")
            where.append("(created_at, id) < (?, ?)")
            values += [float(at), build_id]
        sql = f"{rows.SELECT} WHERE {' AND '.join(where)} ORDER BY created_at DESC, id DESC LIMIT ?"
        found = [rows.from_row(row) for row in await self._database.fetch(sql, (*values, limit + 1))]
        shown = tuple(found[:limit])
        more = f"{shown[-1].created_at!r}_{shown[-1].id}" if len(found) > limit else None
        return Page(shown, more)

    async def events(self, build_id: str, after: int = 0, limit: int = 1000) -> list[Event]:
        """Events with a greater seq than `after`, in order."""
        found = await self._database.fetch(
            f"SELECT {_EVENT_COLUMNS} FROM events"  # noqa: S608
            " WHERE build_id = ? AND seq > ? ORDER BY seq LIMIT ?",
            (build_id, after, limit),
        )
        return [_event(row) for row in found]

    async def events_of_types(self, build_id: str, types: Iterable[str]) -> list[Event]:
        """The build's events of these types, in order."""
        wanted = tuple(types)
        found = await self._database.fetch(
            f"SELECT {_EVENT_COLUMNS} FROM events WHERE build_id = ?"  # noqa: S608
            f" AND event_type IN ({', '.join('?' * len(wanted))}) ORDER BY seq",
            (build_id, *wanted),
        )
        return [_event(row) for row in found]

    async def history(self, limit: int = 20) -> list[tuple[int, float]]:
        """The last durations of every step that completed, oldest first."""
        found = await self._database.fetch(
            "WITH RECURSIVE steps(step) AS (SELECT 1 UNION ALL SELECT step + 1 FROM steps WHERE step < 8)"
            " SELECT s.step, r.seconds FROM steps s JOIN step_runs r ON r.id IN"
            " (SELECT id FROM step_runs WHERE step = s.step AND ended = 'done' ORDER BY id DESC LIMIT ?)"
            " ORDER BY r.id",
            (limit,),
        )
        return [(int(r["step"]), float(r["seconds"])) for r in found]

    async def runs(self, build_id: str) -> list[dict[str, Any]]:
        """Every ended attempt of the build's steps, in order."""
        found = await self._database.fetch(
            "SELECT step, attempt, ended, at, seconds FROM step_runs WHERE build_id = ? ORDER BY id",
            (build_id,),
        )
        return [dict(row) for row in found]

    async def sayings(self, build_id: str) -> list[rows.Saying]:
        """Decisions, answers and repair feedback, oldest first."""
        found = await self._database.fetch(
            "SELECT gate_id, checkpoint, decision, feedback FROM decisions WHERE build_id = ? ORDER BY id",
            (build_id,),
        )
        return [rows.Saying(*row) for row in found]

    async def artifact(self, build_id: str, kind: str, version: int | None = None) -> dict[str, Any] | None:
        """The newest, or one, version of an artifact as {version, body, meta, at}."""
        condition = "AND version = ?" if version is not None else ""
        values = (build_id, kind) if version is None else (build_id, kind, version)
        found = await self._database.fetch(
            "SELECT version, body, meta, at FROM artifacts WHERE build_id = ? AND kind = ?"  # noqa: S608
            f" {condition} ORDER BY version DESC LIMIT 1",
            values,
        )
        return {**dict(found[0]), "meta": json.loads(found[0]["meta"])} if found else None

    async def artifact_versions(self, build_id: str, kind: str) -> list[dict[str, Any]]:
        """Every version of an artifact without its body, oldest first."""
        found = await self._database.fetch(
            "SELECT version, meta, at FROM artifacts WHERE build_id = ? AND kind = ? ORDER BY version",
            (build_id, kind),
        )
        return [{**dict(row), "meta": json.loads(row["meta"])} for row in found]


def _event(row: sqlite3.Row) -> Event:
    """Columns are named as the fields."""
    return Event(**{**dict(row), "data": json.loads(row["data"])})
