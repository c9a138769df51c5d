"""Sums over everything that ever happened, as migration 0005's triggers keep them: a few rows to read."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from executor.store.database import Database

STEP_BOUNDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
"""Upper bounds in seconds of the cells that durations of steps are counted in; one more is above them."""


@dataclass(frozen=True, slots=True)
class Cells:
    """A histogram: how many durations fell into each cell, and their sum in seconds."""

    counts: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Tallies:
    """Counts by (what, kind, label), durations of steps by (step, how it ended), model calls as rows."""

    counts: Mapping[tuple[str, str, str], int]
    steps: Mapping[tuple[int, str], Cells]
    turns: tuple[Mapping[str, Any], ...]

    def by_kind(self, what: str) -> dict[str, int]:
        """The counts of one thing by their kind."""
        return {kind: count for (name, kind, _), count in self.counts.items() if name == what}

    def by_channel(self, what: str) -> dict[tuple[str, str], int]:
        """The counts of one thing by the message's kind and, of notices, its channel."""
        return {(kind, label): n for (name, kind, label), n in self.counts.items() if name == what}


async def tallies(database: Database) -> Tallies:
    """All sums as of the last commit."""
    return await database.read(_read)


def _read(connection: sqlite3.Connection) -> Tallies:
    counts = {(r["what"], r["kind"], r["label"]): r["count"] for r in connection.execute(_COUNTS)}
    turns = tuple(dict(row) for row in connection.execute("SELECT * FROM turn_tallies"))
    return Tallies(counts, _steps(connection), turns)


_COUNTS = "SELECT what, kind, label, count FROM tallies"


def _steps(connection: sqlite3.Connection) -> dict[tuple[int, str], Cells]:
    found: dict[tuple[int, str], Cells] = {}
    for row in connection.execute("SELECT step, ended, cell, count, seconds FROM step_tallies"):
        key = (row["step"], row["ended"])
        known = found.get(key) or Cells((0,) * (len(STEP_BOUNDS) + 1), 0.0)
        counts = tuple(n + row["count"] * (cell == row["cell"]) for cell, n in enumerate(known.counts))
        found[key] = Cells(counts, known.seconds + row["seconds"])
    return found
