"""Backups while the daemon runs, and a look at a database that is too large to be checked at the start."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable

import structlog

from executor.store.backups import problem_of
from executor.store.rescue import INLINE_BYTES, suspicion
from executor.store.store import Store

log = structlog.get_logger(__name__)
_FIRST_LOOK = 20.0
_LOOK_AGAIN = 60.0


class Upkeep:
    """Takes a backup every `every` seconds in which something was written. `clock` is in epoch seconds."""

    def __init__(self, store: Store, every: float, clock: Callable[[], float]) -> None:
        self._store = store
        self._every = every
        self._clock = clock
        self._path = store.database.path

    async def run(self) -> None:
        """Look after the database until cancelled."""
        await asyncio.sleep(min(_FIRST_LOOK, self._every))
        if self._path.stat().st_size > INLINE_BYTES:
            await self.check()
        while True:
            await self.back_up_if_due()
            await asyncio.sleep(min(self._every, max(_LOOK_AGAIN, self._due_in())))

    async def check(self) -> None:
        """Check the whole database beside the running daemon; damage makes the daemon stop and start anew."""
        try:
            problem = await asyncio.to_thread(problem_of, self._path)
        except (sqlite3.Error, OSError) as error:
            log.warning("database_not_checked", reason=str(error))
            return
        if problem:
            log.critical("database_damaged", problem=problem)
            suspicion(self._path).touch()
            self._store.database.damaged.set()

    async def back_up_if_due(self) -> None:
        """Take a backup when the newest one is older than the interval and than the last write."""
        if self._due_in() > 0 or self._store.backups.last_write() <= self._store.backups.taken_at():
            return
        try:
            taken = await asyncio.to_thread(self._store.backups.take, self._clock())
        except (sqlite3.Error, OSError) as error:
            log.warning("backup_failed", reason=str(error), next="it is tried again later; builds go on")
            return
        if taken is None:
            await self.check()
        else:
            log.info("backup_taken", path=str(taken))

    def _due_in(self) -> float:
        return self._store.backups.taken_at() + self._every - self._clock()
