"""SQLite under DATA_DIR: one connection, opened when first used, never on the event loop."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

BUSY_SECONDS: Final = 5.0
FILE_NAME: Final = "droplet.db"

T = TypeVar("T")
Row = dict[str, Any]


@dataclass(frozen=True)
class TableSchema:
    """A table as whole statements: how to make it, and how to add each column it may lack.

    Args:
        name: The table's name.
        create: The CREATE TABLE IF NOT EXISTS statement.
        add_column: For each column that a later release added, its ALTER TABLE statement.
    """

    name: str
    create: str
    add_column: Mapping[str, str] = field(default_factory=dict)


class Database:
    """The droplet's own store; its methods may be called from any handler.

    Raises:
        sqlite3.OperationalError: The file cannot be opened or written; callers see 503.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._ready: set[str] = set()
        self._failed = False

    @property
    def status(self) -> str:
        """`unused` before the first statement, then `ok` or `failing` as the last one went."""
        if self._failed:
            return "failing"
        return "unused" if self._connection is None else "ok"

    async def fetch(self, schema: TableSchema, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run a statement of its own transaction and return its rows.

        Args:
            schema: The table the statement works on; made or widened first.
            sql: One statement with `?` for every value.
            values: The values.

        Returns:
            Its rows as dictionaries, empty for a statement without any.
        """

        def work(connection: sqlite3.Connection) -> list[Row]:
            return [dict(row) for row in connection.execute(sql, values).fetchall()]

        return await self.run(schema, work)

    async def run(self, schema: TableSchema, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` inside one write transaction: all of it is kept, or nothing."""
        return await asyncio.to_thread(self._run, schema, work)

    async def close(self) -> None:
        """Close the file; a later statement opens it again."""
        await asyncio.to_thread(self._close)

    def _run(self, schema: TableSchema, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            try:
                result = self._transact(schema, work)
            except sqlite3.OperationalError:
                self._failed = True
                raise
            self._failed = False
            return result

    def _transact(self, schema: TableSchema, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            fresh = schema.name not in self._ready
            if fresh:
                prepare(connection, schema)
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._ready.add(schema.name)
        return result

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise sqlite3.OperationalError(f"no data directory: {error}") from error
            connection = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            self._connection = connection
        return self._connection

    def _close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            self._ready.clear()


def prepare(connection: sqlite3.Connection, schema: TableSchema) -> None:
    """Make the table if it is missing, and add the columns that an earlier release lacked."""
    connection.execute(schema.create)
    rows = connection.execute("SELECT name FROM pragma_table_info(?)", (schema.name,))
    present = {str(row["name"]).lower() for row in rows}
    for column, statement in schema.add_column.items():
        if column.lower() not in present:
            connection.execute(statement)
