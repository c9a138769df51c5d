"""What all builds together came to: how many succeeded, how long they took, what they cost."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import sqrt
from statistics import median
from typing import Any

from executor.domain.build import State
from executor.store.database import Database

# A cancelled build says nothing about the executor: a person ended it before it could.
_COUNTED = (State.COMPLETE, State.FAILED, State.REJECTED, State.ROLLED_BACK)
_TOKENS = ("input", "output", "cache_read", "cache_write")
_SQL = """
SELECT state, created_at, finished_at, working_seconds,
       coalesce(json_extract(facts, '$.turns'), 0) AS turns,
       coalesce(json_extract(facts, '$.provider'), '') AS provider,
       coalesce(json_extract(facts, '$.cost_usd'), 0) AS usd,
       coalesce(json_extract(facts, '$.cost_known'), 1) AS is_known,
       coalesce(json_extract(facts, '$.unknown_cost_turns'), 0) AS cut_off,
       coalesce(json_extract(facts, '$.spent.input'), 0) AS input,
       coalesce(json_extract(facts, '$.spent.output'), 0) AS output,
       coalesce(json_extract(facts, '$.spent.cache_read'), 0) AS cache_read,
       coalesce(json_extract(facts, '$.spent.cache_write'), 0) AS cache_write
FROM builds
"""


@dataclass(slots=True)
class Sums:
    """Builds of one kind. Durations are seconds of successful builds, from the submit to the end.

    `unknown` counts builds whose dollars are not all known: a call was cut off or its model has no price.
    """

    states: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    usd: float = 0.0
    turns: int = 0
    unknown: int = 0
    elapsed: list[float] = field(default_factory=list)
    working: list[float] = field(default_factory=list)

    def add(self, row: sqlite3.Row) -> None:
        """Count one build."""
        self.states[row["state"]] += 1
        self.tokens.update({name: row[name] for name in _TOKENS})
        self.usd += row["usd"]
        self.turns += row["turns"]
        self.unknown += bool(row["cut_off"]) or not row["is_known"]
        if row["state"] == State.COMPLETE:
            self.elapsed.append(max(0.0, row["finished_at"] - row["created_at"]))
            self.working.append(row["working_seconds"])

    def shown(self) -> dict[str, Any]:
        """The sums as callers see them; what cannot be said of no build at all is None."""
        counted = sum(self.states[state] for state in _COUNTED)
        succeeded = self.states[State.COMPLETE]
        prompt = sum(self.tokens.values()) - self.tokens["output"]
        return {
            "builds": self.states.total(),
            "states": dict(sorted(self.states.items())),
            "counted": counted,
            "succeeded": succeeded,
            "success_rate": round(succeeded / counted, 4) if counted else None,
            "success_between": _wilson(succeeded, counted) if counted else None,
            "median_elapsed_seconds": _median(self.elapsed),
            "median_working_seconds": _median(self.working),
            "longest_elapsed_seconds": round(max(self.elapsed), 1) if self.elapsed else None,
            "cost_usd": round(self.usd, 6),
            "cost_per_success_usd": round(self.usd / succeeded, 6) if succeeded else None,
            "builds_of_unknown_cost": self.unknown,
            "turns": self.turns,
            "tokens": {name: self.tokens[name] for name in _TOKENS},
            "cache_hit_rate": round(self.tokens["cache_read"] / prompt, 4) if prompt else None,
        }


async def spending(database: Database) -> dict[str, Sums]:
    """Sums by who built: `model`, `scaffold`, and `undecided` for builds that ended before either began."""
    return await database.read(lambda connection: _summed(connection.execute(_SQL)))


def _summed(rows: Iterable[sqlite3.Row]) -> dict[str, Sums]:
    sums = {"model": Sums(), "scaffold": Sums(), "undecided": Sums()}
    for row in rows:
        sums[_who(row)].add(row)
    return sums


def _who(row: sqlite3.Row) -> str:
    if row["turns"] or row["provider"] not in {"", "scaffold"}:
        return "model"
    return "scaffold" if row["provider"] else "undecided"


def _wilson(succeeded: int, counted: int) -> tuple[float, float]:
    """Where the true rate lies with 95 % confidence (Wilson's interval): wide while builds are few."""
    z, rate = 1.96, succeeded / counted
    scale = 1 + z * z / counted
    middle = (rate + z * z / (2 * counted)) / scale
    spread = z * sqrt(rate * (1 - rate) / counted + z * z / (4 * counted * counted)) / scale
    return round(max(0.0, middle - spread), 4), round(min(1.0, middle + spread), 4)


def _median(seconds: list[float]) -> float | None:
    return round(median(seconds), 1) if seconds else None
