"""Storage: made when first used, widened by later releases, whole or not at all."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from app.storage import Database, TableSchema

T = TypeVar("T")
OLD = TableSchema("things", 'CREATE TABLE IF NOT EXISTS "things" ("id" INTEGER PRIMARY KEY)')
ADD_SIZE = 'ALTER TABLE "things" ADD COLUMN "size" INTEGER'
NEW = TableSchema("things", OLD.create, {"size": ADD_SIZE})


def using(directory: Path, work: Callable[[Database], Awaitable[T]]) -> T:
    async def go() -> T:
        database = Database(directory)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(go())


def test_nothing_is_made_before_the_first_statement(tmp_path: Path) -> None:
    async def look(database: Database) -> str:
        return database.status

    assert using(tmp_path / "data", look) == "unused"
    assert not (tmp_path / "data").exists()


def test_rows_outlive_the_process_that_wrote_them(tmp_path: Path) -> None:
    async def write(database: Database) -> str:
        await database.fetch(OLD, 'INSERT INTO "things" DEFAULT VALUES')
        return database.status

    async def read(database: Database) -> list[dict[str, object]]:
        return await database.fetch(OLD, 'SELECT * FROM "things"')

    assert using(tmp_path / "data", write) == "ok"
    assert using(tmp_path / "data", read) == [{"id": 1}]


def test_a_later_release_adds_its_columns_and_keeps_the_rows(tmp_path: Path) -> None:
    async def write(database: Database) -> None:
        await database.fetch(OLD, 'INSERT INTO "things" DEFAULT VALUES')

    async def widen(database: Database) -> list[dict[str, object]]:
        await database.fetch(NEW, 'INSERT INTO "things" ("size") VALUES (?)', (7,))
        return await database.fetch(NEW, 'SELECT * FROM "things" ORDER BY "id"')

    using(tmp_path, write)
    expected = [{"id": 1, "size": None}, {"id": 2, "size": 7}]
    assert using(tmp_path, widen) == expected


def test_a_failure_takes_back_the_whole_transaction(tmp_path: Path) -> None:
    def half(connection: sqlite3.Connection) -> None:
        connection.execute('INSERT INTO "things" DEFAULT VALUES')
        raise ValueError("half way")

    async def work(database: Database) -> list[dict[str, object]]:
        with pytest.raises(ValueError):
            await database.run(OLD, half)
        return await database.fetch(OLD, 'SELECT * FROM "things"')

    assert using(tmp_path, work) == []


def test_a_directory_that_cannot_be_made_is_a_storage_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    async def work(database: Database) -> str:
        with pytest.raises(sqlite3.OperationalError):
            await database.fetch(OLD, 'SELECT * FROM "things"')
        return database.status

    assert using(tmp_path / "file" / "data", work) == "failing"


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    async def work(database: Database) -> int:
        insert = 'INSERT INTO "things" DEFAULT VALUES'
        await asyncio.gather(*(database.fetch(OLD, insert) for _ in range(20)))
        return len(await database.fetch(OLD, 'SELECT * FROM "things"'))

    assert using(tmp_path, work) == 20
