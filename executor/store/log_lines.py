"""The build log: lines gathered in memory for a moment, then written together."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from executor.errors import ExecutorError
from executor.store.database import Database

_FLUSH_SECONDS = 0.25
_LONGEST_LINE = 4000
_Row = tuple[Any, ...]
_TEXT = 4
_INSERT = """
INSERT INTO log_lines (build_id, line, step, attempt, level, text, at)
SELECT ?, coalesce(max(line), 0) + 1, ?, ?, ?, ?, ? FROM log_lines WHERE build_id = ?
"""


class LogLines:
    """The log_lines table; `redact` is applied to every line before it is cut or written.

    What waits is redacted together, so that a secret is found that came in two pieces; `redact` leaves line
    ends where they are.
    """

    def __init__(self, database: Database, redact: Callable[[str], str]) -> None:
        self._database = database
        self._redact = redact
        self._waiting: list[_Row] = []
        self._flush_task: asyncio.Task[None] | None = None

    def add(self, build_id: str, *, step: int, attempt: int, level: str, text: str, now: float) -> None:
        """Take lines; they are on disk within a second, or at `flush`."""
        for line in text.splitlines():
            self._waiting.append((build_id, step, attempt, level, line, now, build_id))
        if self._flush_task is None:
            self._flush_task = asyncio.create_task(self._later(), name="log-flush")

    async def flush(self) -> None:
        """Write what is waiting."""
        lines, self._waiting = self._waiting, []
        if not lines:
            return
        rows = self._redacted(lines)

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(_INSERT, rows)

        try:
            await self._database.write(write)
        except ExecutorError:
            self._waiting = lines + self._waiting
            raise

    def _redacted(self, lines: list[_Row]) -> list[_Row]:
        """The same rows in their order; the lines of one build are read as one text."""
        builds: dict[str, list[int]] = {}
        for index, row in enumerate(lines):
            builds.setdefault(row[0], []).append(index)
        safe = list(lines)
        for indexes in builds.values():
            text = self._redact("\n".join(lines[index][_TEXT] for index in indexes))
            for index, line in zip(indexes, text.split("\n"), strict=True):
                safe[index] = (*lines[index][:_TEXT], line[:_LONGEST_LINE], *lines[index][_TEXT + 1 :])
        return safe

    async def page(
        self, build_id: str, after: int = 0, limit: int = 1000, search: str = "", level: str = ""
    ) -> list[dict[str, Any]]:
        """Lines with a greater number than `after`; `search` is a plain substring."""
        with suppress(ExecutorError):  # a full disk is no reason not to show what was written before
            await self.flush()
        found = await self._database.fetch(
            "SELECT line, step, attempt, level, text, at FROM log_lines WHERE build_id = ? AND line > ?"
            " AND (? = '' OR instr(lower(text), lower(?)) > 0) AND (? = '' OR level = ?)"
            " ORDER BY line LIMIT ?",
            (build_id, after, search, search, level, level, limit),
        )
        return [dict(row) for row in found]

    async def last(self, build_id: str) -> int:
        """The number of the newest line, 0 without any."""
        await self.flush()
        found = await self._database.fetch(
            "SELECT coalesce(max(line), 0) FROM log_lines WHERE build_id = ?", (build_id,)
        )
        return int(found[0][0])

    async def _later(self) -> None:
        await asyncio.sleep(_FLUSH_SECONDS)
        self._flush_task = None
        try:
            await self.flush()
        except ExecutorError:
            # The disk refuses for the moment: the lines stay in memory and the next ones take them along.
            return
