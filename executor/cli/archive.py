"""The file that `fpai backup` writes and `fpai restore` reads: a .tar.gz with a manifest in front."""

from __future__ import annotations

import gzip
import json
import sqlite3
import tarfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from executor.cli import exits
from executor.cli.exits import CliError
from executor.domain.build import FINISHED

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "executor.db"
REPOSITORIES = "repositories"
KEPT = (REPOSITORIES, "signing.key", "mark")
"""What a backup holds beside the database: repositories, the key of sessions and links, the state's mark."""
LEFT_OUT = "what released droplets have stored themselves, their venvs, and executor.toml with its secrets"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself. `made_at` is ISO 8601 in UTC, `schema` the database's."""

    format: int
    version: str
    made_at: str
    state_dir: str
    schema: int
    builds: int
    unfinished: int
    droplets: int
    repositories: int

    def encoded(self) -> bytes:
        """As the archive's first member has it."""
        return json.dumps(asdict(self), indent=2).encode() + b"\n"

    @classmethod
    def decoded(cls, raw: bytes) -> Manifest:
        """Read it. Raises ValueError, KeyError or TypeError when this is no manifest of ours."""
        found: dict[str, Any] = json.loads(raw)
        return cls(**{name: found[name] for name in cls.__dataclass_fields__})


def manifest_of(connection: sqlite3.Connection, *, version: str, made_at: float, state_dir: Path) -> Manifest:
    """What there is to say of a database and the repositories in `state_dir`; `made_at` is in epoch seconds.

    Raises sqlite3.DatabaseError when it is no database of ours.
    """

    def number(sql: str, *values: str) -> int:
        return int(connection.execute(sql, values).fetchone()[0])

    marks = ", ".join("?" * len(FINISHED))
    unfinished = f"SELECT count(*) FROM builds WHERE state NOT IN ({marks})"  # noqa: S608 - only marks
    return Manifest(
        format=FORMAT,
        version=version,
        made_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(made_at)),
        state_dir=str(state_dir),
        schema=number("PRAGMA user_version"),
        builds=number("SELECT count(*) FROM builds"),
        unfinished=number(unfinished, *FINISHED),
        droplets=number("SELECT count(*) FROM droplets"),
        repositories=len(list((state_dir / REPOSITORIES).glob("*.git"))),
    )


@contextmanager
def opened(path: Path) -> Iterator[tuple[tarfile.TarFile, Manifest]]:
    """Open a backup and read its manifest.

    Raises CliError: exit 5 when there is no such file, exit 2 when it is no backup of ours, is cut off or
    damaged, or comes from a later release; whatever is read within the context counts. Raises OSError.
    """
    if not path.is_file():
        raise CliError(f"There is no file {path}.", hint="Check the name.", exit_code=exits.CONFLICT)
    try:
        with tarfile.open(path, "r:gz") as archive:
            yield archive, _manifest(archive, path)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CliError(
            f"{path} is no backup, or it is damaged or cut off: {error}.", hint="Use another one."
        ) from error


def members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Every file and directory after the manifest, to be read in turn.

    Raises CliError for anything that a backup never holds. At the end what is left of the file is read, for
    tarfile takes a damaged header for the end, and only gzip's own end has the sum of everything.
    """
    for member in archive:
        parts = PurePosixPath(member.name).parts
        is_ours = bool(parts) and ".." not in parts and parts[0] in {DATABASE, MANIFEST, *KEPT}
        if not is_ours or not (member.isreg() or member.isdir()):
            raise CliError(f"The backup holds {member.name!r}, which no backup of ours does; it is not used.")
        if member.name != MANIFEST:
            yield member
    rest = archive.fileobj
    while rest is not None and rest.read(1 << 20):
        pass


def _manifest(archive: tarfile.TarFile, path: Path) -> Manifest:
    first = archive.next()
    source = archive.extractfile(first) if first is not None and first.name == MANIFEST else None
    try:
        manifest = Manifest.decoded(source.read() if source else b"")
    except (ValueError, KeyError, TypeError) as error:
        raise CliError(f"{path} is no backup of the executor.", hint="`fpai backup` makes one.") from error
    if manifest.format > FORMAT:
        raise CliError(
            f"{path} was made by version {manifest.version}, in a form that this one does not know.",
            hint="Install that version, then restore.",
        )
    return manifest
