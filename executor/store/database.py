"""One SQLite file: one writer that batches all waiting writes into one durable commit, one reader beside."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

import aiosqlite

from executor.durable import sync
from executor.errors import Unavailable
from executor.store.backups import is_damage
from executor.store.histogram import Histogram
from executor.store.migrate import migrate, migrations
from executor.store.rescue import suspicion

T = TypeVar("T")
Write = Callable[[sqlite3.Connection], T]
_LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0)


class _Connection(aiosqlite.Connection):
    """aiosqlite's thread, entered once for a whole transaction instead of once for every statement."""

    async def call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        result: T = await self._execute(work, self._conn)  # type: ignore[no-untyped-call]
        return result


class _Waiting(Generic[T]):
    """One write, the future that learns of its end, and what is to happen the moment it is on disk.

    A caller that is cancelled cancels the future with it; `settled` is how it still learns of the end.
    """

    __slots__ = ("after", "began", "ended", "future", "settled", "work")

    def __init__(self, work: Write[T], future: asyncio.Future[T], after: Callable[[], None] | None) -> None:
        self.work = work
        self.future = future
        self.after = after
        self.began = time.perf_counter()
        self.ended = False
        self.settled: asyncio.Future[None] | None = None

    def settle(self, succeeded: bool, value: Any) -> None:
        self.ended = True
        if succeeded and self.after is not None:
            self.after()
        if self.settled is not None:
            self.settled.set_result(None)
        elif self.future.done():
            return  # cancelled in this very turn of the loop: its caller has yet to look
        elif succeeded:
            self.future.set_result(value)
        else:
            self.future.set_exception(value)


class Database:
    """The store's connections. Open with `Database.open`, end with `close`.

    Writes of all builds that wait at one moment share one transaction: WAL with synchronous=FULL,
    so a write that has returned survives power loss (trust.md, R5).
    """

    def __init__(self, path: Path, writer: _Connection, reader: _Connection) -> None:
        self.path = path
        self._writer = writer
        self._reader = reader
        self._waiting: deque[_Waiting[Any]] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self.latency = Histogram(_LATENCIES)
        """How long callers of `write` waited until it was on disk, or refused."""
        self.damaged = asyncio.Event()
        """Set once SQLite finds the file damaged: nothing can be trusted until it is restored."""
        self._task = asyncio.create_task(self._write_forever(), name="database-writer")

    @classmethod
    async def open(cls, path: Path) -> Database:
        """Open the file, creating or migrating it first.

        Raises Unavailable when it cannot be written, NewerSchema when a later release wrote it.
        """
        try:
            await asyncio.to_thread(_make_private, path)
            writer = await _connect(path, _writable)
            try:
                await writer.call(lambda c: _prepare(c, path))
                reader = await _connect(path, _read_only)
            except BaseException:
                await writer.close()  # its thread would keep the process from ending
                raise
        except (sqlite3.DatabaseError, OSError) as error:
            raise _not_opened(path, error) from error
        return cls(path, writer, reader)

    async def write(self, work: Write[T], after: Callable[[], None] | None = None) -> T:
        """Run `work` inside the next commit; it is on disk when this returns, and `after` was called.

        `work` runs in the database's thread, perhaps twice; if it raises, only its own changes are
        undone. A caller that is cancelled meanwhile learns of it when the write has ended, so that no
        view of the database is older than what it asked for. Raises Unavailable when the disk refuses
        the commit; then nothing of it is stored.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        item = _Waiting(work, future, after)
        self._waiting.append(item)
        self._wake.set()
        try:
            return await future
        except asyncio.CancelledError:
            if not item.ended:
                item.settled = loop.create_future()
                await _outlast(item.settled)
            raise

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a read-only query beside the writer; it sees the last commit."""
        try:
            return await self._reader.call(query)
        except sqlite3.DatabaseError as error:
            self._look_for_damage(error)
            raise

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[sqlite3.Row]:
        """Return all rows of one query."""
        values = tuple(parameters)
        return await self.read(lambda c: c.execute(sql, values).fetchall())

    async def close(self) -> None:
        """Write what is waiting, then close both connections."""
        self._closing = True
        self._wake.set()
        await self._task
        await self._reader.close()
        await self._writer.close()

    async def _write_forever(self) -> None:
        while not (self._closing and not self._waiting):
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = list(self._waiting)
                self._waiting.clear()
                await self._commit(batch)

    def _look_for_damage(self, error: Exception) -> None:
        if isinstance(error, sqlite3.Error) and is_damage(error):
            suspicion(self.path).touch()
            self.damaged.set()

    async def _commit(self, batch: list[_Waiting[Any]]) -> None:
        works = [item.work for item in batch]
        try:
            results = await self._writer.call(lambda c: _transaction(c, works))
        except Exception as error:
            self._look_for_damage(error)
            refusal = Unavailable(
                f"The database could not be written: {error}.",
                hint="Nothing of this change is stored. Free space on the state directory's disk.",
            )
            refusal.__cause__ = error
            results = [(False, refusal)] * len(batch)
        now = time.perf_counter()
        for item, (succeeded, value) in zip(batch, results, strict=True):
            self.latency.observe(now - item.began)
            item.settle(succeeded, value)


async def _outlast(settled: asyncio.Future[None]) -> None:
    """Wait to the end, however often the waiting is cancelled."""
    while not settled.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(settled)


def _transaction(connection: sqlite3.Connection, works: list[Write[Any]]) -> list[tuple[bool, Any]]:
    """Commit all of them together; when one raises, undo everything and give each a savepoint of its own."""
    try:
        return _committed(connection, works, _plain)
    except sqlite3.OperationalError:
        raise  # the disk or the file, not one write
    except Exception:
        return _committed(connection, works, _guarded)


def _committed(
    connection: sqlite3.Connection,
    works: list[Write[Any]],
    run: Callable[[sqlite3.Connection, Write[Any]], tuple[bool, Any]],
) -> list[tuple[bool, Any]]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        results = [run(connection, work) for work in works]
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    return results


def _plain(connection: sqlite3.Connection, work: Write[Any]) -> tuple[bool, Any]:
    return True, work(connection)


def _guarded(connection: sqlite3.Connection, work: Write[Any]) -> tuple[bool, Any]:
    connection.execute("SAVEPOINT one")
    try:
        value = work(connection)
    except sqlite3.OperationalError:
        raise
    except Exception as error:
        connection.execute("ROLLBACK TO one")
        connection.execute("RELEASE one")
        return False, error
    connection.execute("RELEASE one")
    return True, value


async def _connect(path: Path, connector: Callable[[Path], sqlite3.Connection]) -> _Connection:
    connection = _Connection(lambda: connector(path), iter_chunk_size=64)
    await connection
    return connection


def _not_opened(path: Path, error: Exception) -> Unavailable:
    if isinstance(error, sqlite3.OperationalError | OSError):
        return Unavailable(
            f"The database {path} cannot be opened for writing: {error}.",
            hint="Check the directory's owner, mode and free space.",
        )
    return Unavailable(
        f"{path} is damaged or no database of the executor: {error}. It was left as it is.",
        hint="Move it aside and put a backup in its place.",
    )


def _make_private(path: Path) -> None:
    """SQLite gives -wal and -shm the mode of the database, so that has to be right from the start."""
    path.touch(mode=0o600, exist_ok=True)
    path.chmod(0o600)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    migrate(connection, path, migrations())
    sync(path.parent)  # SQLite syncs the name of a new log as well, but takes no notice when that fails


def _writable(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=5000",
        "mmap_size=0",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _read_only(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA busy_timeout=5000")
    # Only the writer's connection may checkpoint: two at one instant can corrupt older SQLite versions.
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection
