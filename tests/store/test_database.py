"""One durable writer for everybody: what is shared, what is undone alone, and how the file is opened."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from executor.errors import Unavailable
from executor.store.database import Database
from executor.store.migrate import NewerSchema
from executor.store.store import Store
from tests.store.conftest import add_many_lines, make_build, stored

Write = Callable[[sqlite3.Connection], object]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "executor.db")
    yield opened
    await opened.close()


def droplet(number: int, name: str = "") -> Write:
    values = (number, name or f"d{number}")
    return lambda c: (
        c.execute("INSERT INTO droplets (id, name, updated_at) VALUES (?, ?, 0)", values).rowcount
    )


async def _pragma(database: Database, name: str) -> object:
    return await database.write(lambda c: c.execute(f"PRAGMA {name}").fetchone()[0])


async def _fill_up(database: Database) -> None:
    """From here on the file may not grow: what a full disk does."""
    pages = await _pragma(database, "page_count")
    await _pragma(database, f"max_page_count = {pages}")


async def test_the_live_connections_use_wal_and_full_sync_and_only_the_writer_checkpoints(database):
    assert await _pragma(database, "journal_mode") == "wal"
    assert await _pragma(database, "synchronous") == 2
    assert await _pragma(database, "foreign_keys") == 1
    assert await _pragma(database, "wal_autocheckpoint") > 0
    assert (await database.fetch("PRAGMA wal_autocheckpoint"))[0][0] == 0
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await database.fetch("DELETE FROM droplets")


async def test_writes_that_wait_together_share_one_commit(database):
    commits: list[str] = []
    await database.write(lambda c: c.set_trace_callback(commits.append))
    commits.clear()
    await asyncio.gather(*(database.write(droplet(number)) for number in range(50)))
    assert len(await database.fetch("SELECT id FROM droplets")) == 50
    assert commits.count("COMMIT") == 1


async def test_a_write_that_fails_undoes_only_itself_and_tells_only_its_caller(database):
    good, bad, last = await asyncio.gather(
        database.write(droplet(1, "same")),
        database.write(droplet(2, "same")),
        database.write(droplet(3)),
        return_exceptions=True,
    )
    assert (good, last) == (1, 1)
    assert isinstance(bad, sqlite3.IntegrityError)
    assert [row["id"] for row in await database.fetch("SELECT id FROM droplets ORDER BY id")] == [1, 3]


async def test_a_full_disk_refuses_everybody_in_words_and_goes_on_by_itself(database):
    await _fill_up(database)
    kept: list[int] = []

    def large(c: sqlite3.Connection) -> None:
        c.execute("INSERT INTO droplets (id, name, updated_at) VALUES (1, ?, 0)", ("x" * 100_000,))

    small, refused = await asyncio.gather(
        database.write(droplet(2), lambda: kept.append(2)), database.write(large), return_exceptions=True
    )
    assert isinstance(refused, Unavailable)
    assert refused.hint
    assert isinstance(small, Unavailable)
    assert kept == []
    assert await database.fetch("SELECT id FROM droplets") == []
    await _pragma(database, "max_page_count = 100000")
    await database.write(droplet(2))
    assert len(await database.fetch("SELECT id FROM droplets")) == 1


async def test_a_cancelled_callers_write_lands_and_is_seen(database):
    told: list[int] = []
    task = asyncio.create_task(database.write(droplet(7), lambda: told.append(7)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == [7]
    assert len(await database.fetch("SELECT id FROM droplets")) == 1


async def test_what_waits_at_the_close_is_written(tmp_path):
    database = await Database.open(tmp_path / "executor.db")
    writes = [asyncio.create_task(database.write(droplet(number))) for number in range(5)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*writes)
    with closing(sqlite3.connect(tmp_path / "executor.db")) as file:
        assert file.execute("SELECT count(*) FROM droplets").fetchone()[0] == 5


async def test_the_files_are_the_daemons_alone_whatever_the_umask(database, tmp_path):
    await database.write(droplet(1))
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("executor.db", "executor.db-wal", "executor.db-shm"), 0o600)


def _spoil(path: Path, how: str) -> None:
    if how == "newer":
        with closing(sqlite3.connect(path)) as file:
            file.execute("PRAGMA user_version = 99")
    else:
        path.write_bytes(b"This is no database. " * 500)


@pytest.mark.parametrize(("how", "error"), [("newer", NewerSchema), ("garbage", Unavailable)])
async def test_a_file_that_cannot_be_used_is_refused_and_leaves_no_thread_that_keeps_the_process(
    tmp_path, how, error
):
    path = tmp_path / "executor.db"
    _spoil(path, how)
    before = set(threading.enumerate())
    with pytest.raises(error) as refused:
        await Database.open(path)
    assert refused.value.hint
    left = [thread for thread in set(threading.enumerate()) - before if not thread.daemon]
    await asyncio.to_thread(lambda: [thread.join(5) for thread in left if "asyncio" not in thread.name])
    assert [t.name for t in left if t.is_alive() and "asyncio" not in t.name] == []


async def test_a_store_of_a_later_release_is_refused(tmp_path):
    await (await Store.open(tmp_path)).close()
    _spoil(tmp_path / "executor.db", "newer")
    with pytest.raises(NewerSchema):
        await Store.open(tmp_path)


async def test_a_store_closes_on_a_full_disk_too(tmp_path):
    store = await Store.open(tmp_path)
    await stored(store, make_build())
    await _fill_up(store.database)
    add_many_lines(store)
    await store.close()
    with pytest.raises(ValueError, match=r"closed|no active"):
        await store.database.fetch("SELECT 1")
