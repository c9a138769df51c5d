"""Real SQLite without its threads: each call takes a while of virtual time, and its reply another moment.

A process may die in between: what was committed then is on disk, and nobody was told.
"""

from __future__ import annotations

import asyncio
import functools
import random
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import aiosqlite


class Disk:
    """One life's connections. `is_full` tells whether writes are refused at the moment."""

    def __init__(self, chance: random.Random, is_full: Callable[[], bool]) -> None:
        self.chance = chance
        self.is_full = is_full
        self.gone = False
        self.refusals = 0
        self._connections: list[aiosqlite.Connection] = []

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Every aiosqlite connection that is made in this context works without a thread."""
        original = aiosqlite.Connection.__init__

        def made(connection: aiosqlite.Connection, *words: Any, **more: Any) -> None:
            original(connection, *words, **more)
            # The store opens its writer first (executor/store/database.py).
            connection._tx = _Pipe(self, writes=not self._connections)  # type: ignore[assignment]
            connection._thread = _NoThread()  # type: ignore[assignment]
            self._connections.append(connection)

        with mock.patch.object(aiosqlite.Connection, "__init__", made):
            yield

    def cut(self) -> None:
        """The process that used it is dead: nothing is written any more, and nothing is answered."""
        self.gone = True
        for connection in self._connections:
            if connection._connection is not None:
                connection._connection.close()
                connection._connection = None


class _NoThread:
    def start(self) -> None: ...


class _Pipe:
    """Takes the place of the queue between a connection and its thread."""

    def __init__(self, disk: Disk, *, writes: bool) -> None:
        self._disk = disk
        self._writes = writes
        self._waiting: deque[tuple[asyncio.Future[Any] | None, Callable[[], Any]]] = deque()

    def put_nowait(self, item: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        if self._disk.gone:
            return
        self._waiting.append(item)
        if len(self._waiting) == 1:
            self._begin()

    def _begin(self) -> None:
        # Now and then a disk takes its time.
        slowness = 0.3 if self._disk.chance.random() < 0.02 else 0.004
        asyncio.get_running_loop().call_later(self._disk.chance.random() * slowness, self._work)

    def _work(self) -> None:
        _, function = self._waiting[0]
        value: Any = None
        error: Exception | None = None
        try:
            self._refuse_if_full(function)
            value = function()
        except Exception as raised:
            error = raised
        asyncio.get_running_loop().call_soon(self._reply, value, error)

    def _refuse_if_full(self, function: Callable[[], Any]) -> None:
        if (
            self._writes
            and self._disk.is_full()
            and isinstance(function, functools.partial)
            and function.args
        ):
            self._disk.refusals += 1
            raise sqlite3.OperationalError("database or disk is full")

    def _reply(self, value: Any, error: Exception | None) -> None:
        future, _ = self._waiting.popleft()
        if self._waiting:
            self._begin()
        if future is None or future.done():
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
