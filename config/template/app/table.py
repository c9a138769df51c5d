"""What a resource does with its table; every statement is constant text written by the resource."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.clock import utc_text
from app.storage import Database, Row, TableSchema


@dataclass(frozen=True)
class Statements:
    """The SQL of one table.

    Args:
        schema: How the table is made.
        columns: The resource's own columns, in the order insert and update take their values.
        insert: Takes created_at, updated_at and the columns; returns the row.
        update: Takes updated_at, the columns and the id; returns the row.
        one: Takes the id.
        part: Takes the limit and the offset.
        count: Returns `total`.
        delete: Takes the id; returns the row.
    """

    schema: TableSchema
    columns: tuple[str, ...]
    insert: str
    update: str
    one: str
    part: str
    count: str
    delete: str


class Table:
    """The rows of one resource."""

    def __init__(self, database: Database, statements: Statements) -> None:
        self._database = database
        self._sql = statements

    async def add(self, values: Mapping[str, Any]) -> Row:
        """Store a row; columns that `values` lacks are null."""
        now = utc_text()
        own = [values.get(column) for column in self._sql.columns]
        rows = await self._database.fetch(self._sql.schema, self._sql.insert, (now, now, *own))
        return rows[0]

    async def get(self, number: int) -> Row | None:
        """Return the row with this id, None if there is none."""
        rows = await self._database.fetch(self._sql.schema, self._sql.one, (number,))
        return rows[0] if rows else None

    async def part(self, limit: int, offset: int) -> tuple[list[Row], int]:
        """Return some rows in the order they were added, and how many there are in all."""

        def read(connection: sqlite3.Connection) -> tuple[list[Row], int]:
            rows = connection.execute(self._sql.part, (limit, offset)).fetchall()
            total = connection.execute(self._sql.count).fetchone()["total"]
            return [dict(row) for row in rows], int(total)

        return await self._database.run(self._sql.schema, read)

    async def change(self, number: int, values: Mapping[str, Any]) -> Row | None:
        """Set the columns in `values`, leave the others; None if there is no such row."""

        def write(connection: sqlite3.Connection) -> Row | None:
            old = connection.execute(self._sql.one, (number,)).fetchone()
            if old is None:
                return None
            merged = {**dict(old), **values}
            own = [merged[column] for column in self._sql.columns]
            given = (utc_text(), *own, number)
            return dict(connection.execute(self._sql.update, given).fetchone())

        return await self._database.run(self._sql.schema, write)

    async def remove(self, number: int) -> bool:
        """Delete the row; tell whether there was one."""
        rows = await self._database.fetch(self._sql.schema, self._sql.delete, (number,))
        return bool(rows)
