"""`fpai restore`: a backup in the place of the present state, which is set aside, never deleted."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tarfile import TarFile

from executor.cli import exits
from executor.cli.archive import DATABASE, KEPT, Manifest, members, opened
from executor.cli.exits import CliError
from executor.cli.restore_database import described, is_database, unpack
from executor.state_lock import StateHeld, StateLock, StateNotWritable
from executor.store.backups import problem_of
from executor.store.migrate import migrations
from executor.store.rescue import incoming, suspicion

_WAL = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup says of itself, how it is unpacked into a folder, and what it replaces."""

    manifest: Manifest
    unpack: Callable[[Path], None]
    replaces: tuple[str, ...]


@contextmanager
def contents(backup: Path, state_dir: Path) -> Iterator[Contents]:
    """Open what `fpai backup` wrote, or a copy of the database that the daemon made. Raises CliError."""
    if is_database(backup):
        manifest = described(backup, state_dir)
        yield Contents(manifest, lambda new: unpack(backup, new), ())
        return
    with opened(backup) as (archive, manifest):
        yield Contents(manifest, lambda new: _unpack(archive, new), KEPT)


def put_back(backup: Path, state_dir: Path, now: float) -> tuple[Manifest, Path | None]:
    """Put a backup in place; returns what it says of itself and where the former state is kept, if any was.

    Everything is unpacked and checked before the first change. Killed at any point, either the former state
    stands or doing it again ends well, and the former one is whole in its folder. Raises CliError: exit 75
    when a daemon runs on `state_dir`, 73 when it cannot be written, 2 when the backup is of no use.
    """
    with contents(backup, state_dir) as found:
        _refuse_newer(found.manifest, backup)
        try:
            with StateLock(state_dir, "no address: fpai restore"):
                return found.manifest, _exchanged(found, state_dir, now)
        except StateHeld as error:
            raise CliError(
                f"A backup is put in place only while no daemon runs; nothing was changed. {error.message}",
                hint="Stop the daemon first: systemctl stop fpai, or Ctrl-C where `fpai serve` runs.",
                exit_code=exits.HELD,
            ) from error
        except StateNotWritable as error:
            raise CliError(error.message, hint=error.hint, exit_code=exits.STATE_NOT_WRITABLE) from error


def _refuse_newer(manifest: Manifest, backup: Path) -> None:
    if manifest.schema > migrations()[-1][0]:
        raise CliError(
            f"{backup} is of a later release (version {manifest.version}, schema {manifest.schema}), whose"
            " database this one does not know.",
            hint="Install that version, then restore.",
        )


def _exchanged(found: Contents, state_dir: Path, now: float) -> Path | None:
    try:
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=state_dir) as folder:
            new = Path(folder)
            found.unpack(new)
            _check(new / DATABASE)
            _give_to_owner(new, state_dir)
            return _moved_in(new, state_dir, now, found.replaces)
    except gzip.BadGzipFile:
        raise  # the backup's fault, not the disk's
    except (OSError, sqlite3.Error) as error:
        raise CliError(
            f"The disk refused: {error}. What was there before is complete, in place or set aside.",
            hint=f"Mend the disk under {state_dir}, then restore again.",
            exit_code=exits.STATE_NOT_WRITABLE,
        ) from error


def _check(database: Path) -> None:
    problem = problem_of(database) if database.is_file() else "it is missing"
    if problem:
        raise CliError(
            f"The backup's database is of no use: {problem}. Nothing was changed.", hint="Use another backup."
        )


def _moved_in(new: Path, state_dir: Path, now: float, replaces: tuple[str, ...]) -> Path | None:
    database = state_dir / DATABASE
    _fold_wal(database)
    aside = _set_aside(state_dir, now, replaces)
    for name in replaces:
        if (new / name).exists():
            (new / name).replace(state_dir / name)
    # When a kill comes between the last three, the next start of a daemon ends it: store/rescue.py.
    (new / DATABASE).replace(incoming(database))
    for path in reversed(_database_files(state_dir)):
        path.unlink()
    incoming(database).replace(database)
    suspicion(database).unlink(missing_ok=True)
    return aside


def _fold_wal(database: Path) -> None:
    """Bring what only the WAL holds into the file, so that a kill between two renames parts nothing."""
    if not database.exists():
        return
    # A damaged one is set aside as it is.
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(database, timeout=5)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _unpack(archive: TarFile, new: Path) -> None:
    for member in members(archive):
        target = new / member.name
        target.parent.mkdir(parents=True, exist_ok=True)
        source = archive.extractfile(member)
        if source is None:
            target.mkdir(exist_ok=True, mode=0o700)
            continue
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 | (member.mode & 0o100))
        with source, os.fdopen(handle, "wb") as file:
            shutil.copyfileobj(source, file)
            file.flush()
            os.fsync(file.fileno())


def _give_to_owner(new: Path, state_dir: Path) -> None:
    """Root restores what is the service's user's."""
    owner = state_dir.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for path in (new, *new.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)


def _set_aside(state_dir: Path, now: float, replaces: tuple[str, ...]) -> Path | None:
    """What is replaced, whole in a folder of its own; the database stays in use by its other name."""
    kept = [state_dir / name for name in replaces if (state_dir / name).exists()]
    present = [*kept, *_database_files(state_dir)]
    if not present:
        return None
    stamp = time.strftime("set-aside-%Y%m%dT%H%M%SZ", time.gmtime(now))
    aside = Path(tempfile.mkdtemp(prefix=f"{stamp}-", dir=state_dir))
    for path in _database_files(state_dir):
        os.link(path, aside / path.name)
    for path in kept:
        path.replace(aside / path.name)
    return aside


def _database_files(state_dir: Path) -> list[Path]:
    """The database, then what it needs beside it."""
    names = (DATABASE, *(DATABASE + ending for ending in _WAL))
    return [state_dir / name for name in names if (state_dir / name).exists()]
