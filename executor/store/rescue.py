"""A damaged database is set aside and its newest sound backup put in its place, never an empty one."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from executor.durable import sync
from executor.errors import ExecutorError
from executor.store.backups import Backups, problem_of

INLINE_BYTES = 32 << 20
"""A database up to this size is checked before each start; a larger one beside the running daemon."""
_FIRST_PAGE_BYTES = 4096


class DamagedDatabase(ExecutorError):
    """The database cannot be read and no backup of it is sound."""

    code = "DATABASE_DAMAGED"


@dataclass(frozen=True, slots=True)
class Rescue:
    """What was done: the damaged file is kept at `aside`, the backup of `taken_at` (epoch seconds) serves."""

    problem: str
    aside: Path
    taken_at: float


def rescued(database: Path, backups: Backups, now: float) -> Rescue | None:
    """Check the database before it is opened; None when it is sound, new, or too large to check now.

    A database that is gone or empty although there are backups of it counts as damaged. Raises
    DamagedDatabase when there is no sound backup: the file then stays where it is.
    """
    _finish_what_a_kill_cut_off(database)
    problem = _problem(database, backups)
    if not problem:
        return None
    good = next((copy for copy in backups.newest_first() if not problem_of(copy)), None)
    if good is None:
        raise DamagedDatabase(
            f"{database} is damaged ({problem}) and there is no sound backup beside it. Nothing was changed.",
            hint="`fpai restore FILE` puts a backup of yours in its place and keeps this file.",
        )
    _copy(good, incoming(database))
    aside = _set_aside(database, now)
    incoming(database).replace(database)
    suspicion(database).unlink(missing_ok=True)
    return Rescue(problem, aside, good.stat().st_mtime)


def _problem(database: Path, backups: Backups) -> str:
    size = database.stat().st_size if database.exists() else 0
    if not size:
        return "it is gone or empty" if backups.newest_first() else ""
    if size <= _FIRST_PAGE_BYTES and not backups.newest_first() and _is_blank(database):
        return ""  # a kill while it was made leaves this: there was never anything in it
    if size > INLINE_BYTES and not suspicion(database).exists():
        return ""
    try:
        problem = problem_of(database)
    except (sqlite3.OperationalError, OSError):
        return ""  # whoever opens it next says what keeps it from being opened
    if not problem:
        suspicion(database).unlink(missing_ok=True)
    return problem


def _is_blank(database: Path) -> bool:
    try:
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            return not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    except sqlite3.Error:
        return False


def describe(rescue: Rescue) -> dict[str, str]:
    """The rescue for the log and for those who ask: what is lost is what came after the backup."""
    taken = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(rescue.taken_at))
    return {"problem": rescue.problem, "kept_at": str(rescue.aside), "state_of": taken}


def suspicion(database: Path) -> Path:
    """The file whose presence makes the next start check a database of any size."""
    return database.with_name(f"{database.name}.suspect")


def _set_aside(database: Path, now: float) -> Path:
    aside = database.with_name(time.strftime(f"{database.name}.damaged-%Y%m%dT%H%M%SZ", time.gmtime(now)))
    for ending in ("-wal", "-shm", ""):
        part = database.with_name(database.name + ending)
        if part.exists():
            part.replace(aside.with_name(aside.name + ending))
    return aside


def incoming(database: Path) -> Path:
    """Where a checked copy waits to take the database's place; a start finds it there after a kill."""
    return database.with_name(f"{database.name}.rescue")


def _finish_what_a_kill_cut_off(database: Path) -> None:
    """The backup is on disk whole before the damaged file is moved, so a lone one only has to be renamed."""
    if not database.exists() and incoming(database).exists():
        incoming(database).replace(database)


def _copy(backup: Path, into: Path) -> None:
    shutil.copyfile(backup, into)
    into.chmod(0o600)
    sync(into)
    sync(into.parent)  # the copy has its name before the damaged file loses its own
