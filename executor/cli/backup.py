"""`fpai backup`: database, repositories and signing key in one file, of a running or a stopped daemon."""

from __future__ import annotations

import io
import os
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from executor import __version__
from executor.cli import exits
from executor.cli.archive import DATABASE, KEPT, MANIFEST, Manifest, manifest_of, members, opened
from executor.cli.exits import CliError
from executor.store.backups import copy_database, problem_of

_OBJECTS = "objects"


def default_name(now: float) -> Path:
    """A name that sorts by time, in the directory at hand."""
    return Path(time.strftime("fpai-%Y%m%dT%H%M%SZ.tar.gz", time.gmtime(now)))


def take(state_dir: Path, into: Path, now: float) -> Manifest:
    """Write a backup of `state_dir` to the new file `into`, mode 0600, read back before it counts.

    `now` is in seconds since the epoch. Raises CliError: exit 5 when there is nothing to back up or `into`
    is there already, 73 when it cannot be written, 74 when the database is damaged.
    """
    _refuse(state_dir, into)
    try:
        with tempfile.TemporaryDirectory(prefix=".fpai-backup-", dir=into.parent) as folder:
            copy, part = Path(folder) / DATABASE, Path(folder) / "part"
            manifest = _copied(state_dir, copy, now)
            _write(part, state_dir, copy, manifest)
            with opened(part) as (archive, _):  # reading all of it checks every byte's sum
                for _member in members(archive):
                    pass
            into.touch(mode=0o600, exist_ok=False)  # a rename alone would replace a file that came meanwhile
            part.replace(into)
    except OSError as error:
        raise CliError(
            f"The backup cannot be written to {into}: {error.strerror or error}. Nothing was changed.",
            hint="Name a file on another disk: fpai backup FILE",
            exit_code=exits.STATE_NOT_WRITABLE,
        ) from error
    return manifest


def _refuse(state_dir: Path, into: Path) -> None:
    if not (state_dir / DATABASE).is_file():
        raise CliError(
            f"There is nothing to back up: {state_dir} holds no {DATABASE}.",
            hint="Name the daemon's configuration: fpai backup --config FILE",
            exit_code=exits.CONFLICT,
        )
    if into.exists():
        raise CliError(
            f"{into} is already there; a backup is never overwritten.",
            hint="Name another file.",
            exit_code=exits.CONFLICT,
        )


def _copied(state_dir: Path, copy: Path, now: float) -> Manifest:
    """Copy the database as of its last commit; repositories come later, so none lacks a commit it names."""
    try:
        copy_database(state_dir / DATABASE, copy)
        problem = problem_of(copy)
        if not problem:
            return _described(state_dir, copy, now)
    except sqlite3.Error as error:
        problem = str(error)
    raise CliError(
        f"The database in {state_dir} cannot be copied: {problem}. No backup was written.",
        hint="`fpai doctor --deep` looks at it; copies that the daemon took itself are in its backups/.",
        exit_code=exits.DAMAGED,
    )


def _described(state_dir: Path, copy: Path, now: float) -> Manifest:
    with closing(sqlite3.connect(copy)) as connection:
        return manifest_of(connection, version=__version__, made_at=now, state_dir=state_dir)


def _write(part: Path, state_dir: Path, copy: Path, manifest: Manifest) -> None:
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
            head = tarfile.TarInfo(MANIFEST)
            head.size, head.mtime, head.mode = len(manifest.encoded()), int(time.time()), 0o600
            archive.addfile(head, io.BytesIO(manifest.encoded()))
            archive.add(copy, DATABASE)
            # Refs before objects: what a ref names is then in the copy, whatever a build commits meanwhile.
            for objects in (False, True):
                for path in _files(state_dir, objects=objects):
                    _add(archive, path, path.relative_to(state_dir))
        file.flush()
        os.fsync(file.fileno())


def _files(state_dir: Path, *, objects: bool) -> Iterator[Path]:
    for path in (path for name in KEPT for path in _below(state_dir / name)):
        if (_OBJECTS in path.relative_to(state_dir).parts[2:3]) is objects:
            yield path


def _below(path: Path) -> Iterator[Path]:
    if path.is_dir() and not path.is_symlink():
        yield path
        for inner in sorted(path.iterdir()):
            yield from _below(inner)
    elif path.is_file() and not path.is_symlink():
        yield path


def _add(archive: tarfile.TarFile, path: Path, name: Path) -> None:
    try:
        archive.add(path, str(name), recursive=False)
    except FileNotFoundError:
        return  # git's own temporary files and locks come and go
