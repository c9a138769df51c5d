"""Rows, the types of what callers send, and the envelope of what they get."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from app.envelope import item, page
from app.fields import Boolean, FilledText, Integer, Number, Partial, Strict, UtcTime
from app.storage import Database, TableSchema
from app.table import Statements, Table

CREATE = """
    CREATE TABLE IF NOT EXISTS "notes" (
        "id" INTEGER PRIMARY KEY AUTOINCREMENT,
        "created_at" TEXT NOT NULL,
        "updated_at" TEXT NOT NULL,
        "title" TEXT,
        "size" INTEGER
    )
"""
NOTES = Statements(
    schema=TableSchema("notes", CREATE),
    columns=("title", "size"),
    insert="""
        INSERT INTO "notes" ("created_at", "updated_at", "title", "size")
        VALUES (?, ?, ?, ?) RETURNING *
    """,
    update="""
        UPDATE "notes" SET "updated_at" = ?, "title" = ?, "size" = ?
        WHERE "id" = ? RETURNING *
    """,
    one='SELECT * FROM "notes" WHERE "id" = ?',
    part='SELECT * FROM "notes" ORDER BY "id" LIMIT ? OFFSET ?',
    count='SELECT COUNT(*) AS "total" FROM "notes"',
    delete='DELETE FROM "notes" WHERE "id" = ? RETURNING "id"',
)


class NoteChange(Partial):
    """A change of a note."""

    _never_null: ClassVar[frozenset[str]] = frozenset({"field_class"})

    field_class: FilledText | None = Field(default=None, alias="class")
    size: Integer | None = None


def with_table(directory: Path, work: Callable[[Table], Awaitable[None]]) -> None:
    async def go() -> None:
        database = Database(directory)
        try:
            await work(Table(database, NOTES))
        finally:
            await database.close()

    asyncio.run(go())


def test_a_row_is_stored_with_its_times(tmp_path: Path) -> None:
    async def work(table: Table) -> None:
        row = await table.add({"title": "'; DROP TABLE notes; --"})
        assert row == await table.get(1)
        assert (row["title"], row["size"]) == ("'; DROP TABLE notes; --", None)
        assert row["created_at"] == row["updated_at"]

    with_table(tmp_path, work)


def test_a_change_sets_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    async def work(table: Table) -> None:
        await table.add({"title": "one", "size": 1})
        changed = await table.change(1, {"size": 2})
        assert changed is not None
        assert (changed["title"], changed["size"]) == ("one", 2)
        assert await table.change(2, {"size": 2}) is None

    with_table(tmp_path, work)


def test_a_part_of_the_rows_comes_with_their_number(tmp_path: Path) -> None:
    async def work(table: Table) -> None:
        for size in range(5):
            await table.add({"size": size})
        rows, total = await table.part(limit=2, offset=1)
        assert ([row["size"] for row in rows], total) == ([1, 2], 5)

    with_table(tmp_path, work)


def test_a_row_is_removed_once_and_its_number_is_not_used_again(tmp_path: Path) -> None:
    async def work(table: Table) -> None:
        await table.add({})
        assert await table.remove(1)
        assert not await table.remove(1)
        assert (await table.add({}))["id"] == 2

    with_table(tmp_path, work)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (FilledText, ""),
        (FilledText, "x" * 501),
        (FilledText, 5),
        (Integer, "5"),
        (Integer, 2**63),
        (Integer, True),
        (Number, float("nan")),
        (Number, 10**400),
        (Number, "1.5"),
        (Boolean, 1),
        (UtcTime, 0),
        (UtcTime, "yesterday"),
        (UtcTime, "0001-01-01T00:00:00+14:00"),
    ],
)
def test_a_value_of_another_kind_or_size_is_refused(kind: type, value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)


def test_times_are_kept_in_utc() -> None:
    read: TypeAdapter[datetime] = TypeAdapter(UtcTime)
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert read.validate_python("2026-01-01T13:00:00+01:00") == noon
    assert read.validate_python("2026-01-01T12:00:00") == noon


def test_a_change_may_leave_out_a_required_field_but_not_clear_it() -> None:
    assert NoteChange.model_validate({"size": None}).model_fields_set == {"size"}
    with pytest.raises(ValidationError, match="class may not be null"):
        NoteChange.model_validate({"class": None})


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError):
        Strict.model_validate({"unknown": 1})


def test_answers_are_data_and_meta() -> None:
    assert item(5).model_dump()["data"] == 5
    body = page([1], total=9, limit=1, offset=3).model_dump()
    assert body["data"] == [1]
    assert (body["meta"]["total"], body["meta"]["limit"], body["meta"]["offset"]) == (9, 1, 3)
    assert body["meta"]["version"]
