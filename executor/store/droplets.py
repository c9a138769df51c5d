"""The built-in registry: droplets, their releases, and which release is live."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from executor.errors import Transient
from executor.store.database import Database

_RELEASE = (
    "id, droplet_id, build_id, version, commit_hash, target, url, handle, state, created_at, updated_at"
)


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """One release as remembered. `state` is live, superseded or withdrawn; `handle` is its target's note."""

    id: str
    droplet_id: int
    build_id: str
    version: str
    commit_hash: str
    target: str
    url: str
    handle: Mapping[str, str]
    state: str
    created_at: float
    updated_at: float


class Droplets:
    """The droplets and releases tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def switch(self, name: str, release: ReleaseRow) -> None:
        """Make `release` the live one of its droplet; the one before becomes superseded."""

        def write(c: sqlite3.Connection) -> None:
            c.execute(
                "UPDATE releases SET state = 'superseded', updated_at = ?"
                " WHERE droplet_id = ? AND state = 'live' AND id <> ?",
                (release.updated_at, release.droplet_id, release.id),
            )
            c.execute(
                f"INSERT INTO releases ({_RELEASE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'live', ?, ?)"  # noqa: S608
                " ON CONFLICT (id) DO UPDATE SET state = 'live', url = excluded.url,"
                " handle = excluded.handle, updated_at = excluded.updated_at",
                (release.id, release.droplet_id, release.build_id, release.version, release.commit_hash,
                 release.target, release.url, json.dumps(dict(release.handle)), release.created_at,
                 release.updated_at),
            )  # fmt: skip
            c.execute(
                "INSERT INTO droplets (id, name, release_id, url, updated_at) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET release_id = excluded.release_id, url = excluded.url,"
                " updated_at = excluded.updated_at",
                (release.droplet_id, name, release.id, release.url, release.updated_at),
            )

        await self._database.write(write)

    async def relocate(self, release: ReleaseRow) -> None:
        """A live release runs at another address now; nothing happens if it is live no longer."""
        handle = json.dumps(dict(release.handle))

        def write(c: sqlite3.Connection) -> None:
            values = (release.url, handle, release.updated_at, release.id)
            c.execute(
                "UPDATE releases SET url = ?, handle = ?, updated_at = ? WHERE id = ? AND state = 'live'",
                values,
            )
            c.execute(
                "UPDATE droplets SET url = ?, updated_at = ? WHERE release_id = ?",
                (release.url, release.updated_at, release.id),
            )

        await self._database.write(write)

    async def withdraw(self, droplet_id: int, build_id: str, now: float) -> None:
        """Mark a build's releases withdrawn; the droplet has no live one unless another is switched in."""

        def write(c: sqlite3.Connection) -> None:
            c.execute(
                "UPDATE releases SET state = 'withdrawn', updated_at = ?"
                " WHERE droplet_id = ? AND build_id = ?",
                (now, droplet_id, build_id),
            )
            c.execute(
                "UPDATE droplets SET release_id = NULL, url = NULL, updated_at = ?"
                " WHERE id = ? AND release_id IN (SELECT id FROM releases WHERE build_id = ?)",
                (now, droplet_id, build_id),
            )

        await self._database.write(write)

    async def move(self, name: str, new_id: int, now: float) -> None:
        """Give a droplet that has no release yet another id (step 1, when the registry holds the old one).

        Raises Transient when a submit has taken that id in this very moment.
        """
        sql = "UPDATE droplets SET id = ?, updated_at = ? WHERE name = ? AND release_id IS NULL"
        try:
            await self._database.write(lambda c: c.execute(sql, (new_id, now, name)) and None)
        except sqlite3.IntegrityError as error:
            raise Transient(f"Droplet number {new_id} was taken meanwhile; another is chosen.") from error

    async def live(self, droplet_id: int) -> ReleaseRow | None:
        """The droplet's live release, if any."""
        found = await self._releases("droplet_id = ? AND state = 'live'", (droplet_id,))
        return found[0] if found else None

    async def release(self, release_id: str) -> ReleaseRow | None:
        """One release by id."""
        found = await self._releases("id = ?", (release_id,))
        return found[0] if found else None

    async def releases(self, droplet_id: int) -> list[ReleaseRow]:
        """Every release of a droplet, newest first."""
        return await self._releases("droplet_id = ?", (droplet_id,))

    async def names(self) -> dict[int, str]:
        """The name of every droplet by its id."""
        found = await self._database.fetch("SELECT id, name FROM droplets")
        return {int(row["id"]): str(row["name"]) for row in found}

    async def all(self) -> list[dict[str, Any]]:
        """Every droplet with its releases, as `GET /executor/droplets` answers."""
        droplets = await self._database.fetch(
            "SELECT id, name, release_id, url, updated_at FROM droplets ORDER BY id"
        )
        releases = await self._releases("1", ())
        return [
            {**dict(row), "releases": [r for r in releases if r.droplet_id == row["id"]]} for row in droplets
        ]

    async def live_releases(self) -> list[ReleaseRow]:
        """The live release of every droplet."""
        return await self._releases("state = 'live'", ())

    async def _releases(self, where: str, values: tuple[Any, ...]) -> list[ReleaseRow]:
        found = await self._database.fetch(
            f"SELECT {_RELEASE} FROM releases WHERE {where} ORDER BY created_at DESC, id DESC",  # noqa: S608
            values,
        )
        return [ReleaseRow(**{**dict(row), "handle": json.loads(row["handle"])}) for row in found]
