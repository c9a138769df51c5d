"""A bare database as a backup: the copies that the daemon itself makes, hourly and before each migration.

There are no repositories in it, so those at hand stay: they have every commit that it names.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from executor.cli.archive import DATABASE, Manifest, manifest_of
from executor.cli.exits import CliError
from executor.store.backups import problem_of

_MAGIC = b"SQLite format 3\0"


def is_database(backup: Path) -> bool:
    """True for a file that begins as SQLite's do."""
    if not backup.is_file():
        return False
    with backup.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def described(database: Path, state_dir: Path) -> Manifest:
    """What `fpai backup` would say of it. Raises CliError when it is damaged or none of ours."""
    try:
        problem = problem_of(database)
        if not problem:
            made_at = database.stat().st_mtime
            with closing(sqlite3.connect(database)) as connection:
                return manifest_of(connection, version="unknown", made_at=made_at, state_dir=state_dir)
    except sqlite3.DatabaseError as error:
        problem = str(error)
    raise CliError(f"{database} is of no use: {problem}. Nothing was changed.", hint="Use another backup.")


def unpack(database: Path, new: Path) -> None:
    """Copy it to where a backup is checked before it is put in place. Raises OSError."""
    copy = new / DATABASE
    shutil.copyfile(database, copy)
    copy.chmod(0o600)
    handle = os.open(copy, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
