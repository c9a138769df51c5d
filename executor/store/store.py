"""Everything that is remembered, under one name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from executor.errors import ExecutorError
from executor.store.backups import Backups
from executor.store.database import Database
from executor.store.droplets import Droplets
from executor.store.effects import Effects
from executor.store.log_lines import LogLines
from executor.store.orders import Orders
from executor.store.outbox import Outbox
from executor.store.repository import Builds
from executor.store.rescue import Rescue, describe, rescued
from executor.store.submissions import Submissions
from executor.store.traces import Traces
from executor.store.turns import Turns

log = structlog.get_logger(__name__)
DATABASE_NAME = "executor.db"


@dataclass(frozen=True, slots=True)
class Store:
    """The tables over one Database."""

    database: Database
    backups: Backups
    rescue: Rescue | None
    builds: Builds
    effects: Effects
    log_lines: LogLines
    droplets: Droplets
    submissions: Submissions
    turns: Turns
    outbox: Outbox
    orders: Orders
    traces: Traces

    @classmethod
    async def open(
        cls, state_dir: Path, redact: Callable[[str], str] = str, *, keep_backups: int = 6
    ) -> Store:
        """Open or create the database in `state_dir`; a damaged one is replaced by its newest sound backup.

        Raises Unavailable, NewerSchema, or DamagedDatabase when there is no sound backup.
        """
        path = state_dir / DATABASE_NAME
        backups = Backups(path, keep_backups)
        rescue = await asyncio.to_thread(rescued, path, backups, time.time())
        if rescue is not None:
            log.error("database_restored", **describe(rescue))
        database = await Database.open(path)
        return cls(
            database,
            backups,
            rescue,
            Builds(database),
            Effects(database),
            LogLines(database, redact),
            Droplets(database),
            Submissions(database),
            Turns(database),
            Outbox(database),
            Orders(database),
            Traces(database),
        )

    async def close(self) -> None:
        """Write what is waiting and close, whether the disk takes it or not."""
        try:
            await self.log_lines.flush()
        except ExecutorError as error:
            log.warning("log_lines_lost", reason=error.message)
        finally:
            await self.database.close()
