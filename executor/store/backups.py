"""Copies of the database beside it, taken now and then, each one checked before it counts."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from executor.durable import make_directory, sync

_NOT_THE_FILES_FAULT = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_AUTH,
}
_NAME = re.compile(r"executor-(\d{8}T\d{6})Z\.db")


class Backups:
    """The folder of a database's copies, of which the newest `keep` stay. It blocks: use a thread."""

    def __init__(self, database: Path, keep: int) -> None:
        self._database = database
        self._folder = database.with_name("backups")
        self._keep = keep

    def newest_first(self) -> list[Path]:
        """Every copy that is there."""
        found = self._folder.glob("executor-*.db") if self._folder.is_dir() else ()
        return sorted((path for path in found if _NAME.fullmatch(path.name)), reverse=True)

    def taken_at(self) -> float:
        """When the newest copy was taken, in seconds since the epoch; 0 when there is none."""
        newest = next(iter(self.newest_first()), None)
        return newest.stat().st_mtime if newest else 0.0

    def last_write(self) -> float:
        """When the database was written last, in seconds since the epoch."""
        wal = self._database.with_name(f"{self._database.name}-wal")
        return max(path.stat().st_mtime for path in (self._database, wal) if path.exists())

    def take(self, now: float) -> Path | None:
        """Copy the database as of its last commit; the copy is on disk, and sound, when this returns.

        None when the database itself is found damaged: such a copy must not push out a good one. Raises
        OSError and sqlite3.Error when the disk refuses.
        """
        make_directory(self._folder, 0o700)
        into = self._folder / time.strftime("executor-%Y%m%dT%H%M%SZ.db", time.gmtime(now))
        partial = into.with_suffix(".part")
        try:
            copy_database(self._database, partial)
            if problem_of(partial):
                return None
            partial.replace(into)
            os.utime(into, (now, now))
            sync(self._folder)  # its name is on disk before an older copy goes
        finally:
            partial.unlink(missing_ok=True)
        for old in self.newest_first()[self._keep :]:
            old.unlink(missing_ok=True)
        return into


def copy_database(database: Path, into: Path) -> None:
    """A consistent copy of a database that may be in use, with mode 0600, on disk when this returns."""
    into.unlink(missing_ok=True)
    into.touch(mode=0o600)
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=30)) as source:
        # Only the daemon's writer may checkpoint: two at one instant can corrupt older SQLite versions.
        source.execute("PRAGMA wal_autocheckpoint=0")
        with closing(sqlite3.connect(into)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
    sync(into)


def problem_of(database: Path) -> str:
    """What SQLite's quick check finds wrong with a database; empty when it is sound.

    A file that cannot be opened for want of rights or space is no damaged one: that raises OperationalError.
    """
    if misfit := _header_problem(database):
        return misfit
    try:
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            found = connection.execute("PRAGMA quick_check(5)").fetchall()
            tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    except UnicodeDecodeError:
        return "its schema or an index is no text"  # the check quotes what it found
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in _NOT_THE_FILES_FAULT:
            raise
        return str(error)
    lines = "; ".join(str(row[0]) for row in found)
    if lines != "ok":
        return lines
    return "" if tables or not database.stat().st_size else "it has no table"


def is_damage(error: sqlite3.Error) -> bool:
    """True when SQLite says that the file itself is damaged."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _header_problem(database: Path) -> str:
    """SQLite opens a file with a version that it does not know for reading only, and finds nothing wrong.

    A write-ahead log may hold the first page anew: power that was lost while it was copied back has harmed
    nothing, and SQLite reads it from there.
    """
    wal = database.with_name(f"{database.name}-wal")
    if wal.exists() and wal.stat().st_size:
        return ""
    with database.open("rb") as file:
        header = file.read(20)
    if header and (header[:16] != b"SQLite format 3\0" or not set(header[18:20]) <= {1, 2}):
        return "its header is not that of a database"
    return ""
