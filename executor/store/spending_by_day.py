"""Builds and dollars of each day, for a chart of them."""

from __future__ import annotations

from dataclasses import dataclass

from executor.domain.build import State
from executor.store.database import Database

_SQL = """
SELECT cast(created_at / 86400 AS INTEGER) * 86400 AS day, count(*) AS builds,
       sum(state = ?) AS succeeded, sum(coalesce(json_extract(facts, '$.cost_usd'), 0)) AS usd
FROM builds WHERE created_at >= ? GROUP BY day ORDER BY day
"""


@dataclass(frozen=True, slots=True)
class Day:
    """What was begun on one day; `day` is its first second in UTC, since the epoch."""

    day: int
    builds: int
    succeeded: int
    usd: float


async def spending_by_day(database: Database, since: float) -> list[Day]:
    """The days from `since` on, in epoch seconds, that saw a build."""
    rows = await database.fetch(_SQL, (State.COMPLETE, since))
    return [Day(row["day"], row["builds"], row["succeeded"], row["usd"]) for row in rows]
