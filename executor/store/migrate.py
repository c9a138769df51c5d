"""Numbered SQL migrations: each in one transaction, a backup first, a newer schema refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import structlog

from executor.durable import sync
from executor.errors import ExecutorError

log = structlog.get_logger(__name__)


class NewerSchema(ExecutorError):
    """A later release of the executor wrote this database; this one must not touch it."""

    code = "NEWER_SCHEMA"


def migrations() -> list[tuple[int, str]]:
    """Every migration's number and SQL, in order."""
    folder = files("executor.store") / "migrations"
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted((int(e.name.split("_")[0]), e.read_text(encoding="utf-8")) for e in found)


def migrate(connection: sqlite3.Connection, path: Path, known: Sequence[tuple[int, str]]) -> None:
    """Bring the database to the newest schema of `known`, which `migrations` lists.

    Raises NewerSchema when `user_version` is ahead of what this release knows; nothing is changed then.
    A database that holds anything is copied to `<name>.before-<number>` before its first migration, on disk
    and by a name of its own, so that `fpai restore` can put it back under the release that wrote it.
    """
    current = int(connection.execute("PRAGMA user_version").fetchone()[0])
    newest = known[-1][0]
    if current > newest:
        raise NewerSchema(
            f"{path} has schema {current}; this release knows schemas up to {newest}. Nothing is started and"
            " nothing was changed.",
            hint=_way_back(before(path, newest + 1)),
        )
    pending = [(number, sql) for number, sql in known if number > current]
    if pending and current:
        _back_up(connection, before(path, pending[0][0]))
    for number, sql in pending:
        _apply(connection, number, sql)
    if pending and current:
        copy = str(before(path, pending[0][0]))
        log.info("database_migrated", from_schema=current, to_schema=newest, kept_at=copy)


def before(path: Path, number: int) -> Path:
    """Where the database is kept as it was before a migration."""
    return path.with_name(f"{path.name}.before-{number:04d}")


def _way_back(copy: Path) -> str:
    last = f"`fpai restore {copy}`" if copy.exists() else "`fpai restore FILE` with a backup that it made"
    return (
        f"Install the release that wrote it. To stay with this one, go back to before the upgrade: {last};"
        " what was done since is then not known, and the newer database is set aside, not lost."
    )


def _back_up(connection: sqlite3.Connection, into: Path) -> None:
    partial = into.with_name(f"{into.name}.part")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    copy = sqlite3.connect(partial)
    try:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, whole by itself
    finally:
        copy.close()
    partial.replace(into)
    sync(into.parent)  # the copy has its name before the first migration; its pages SQLite has synced


def _apply(connection: sqlite3.Connection, number: int, sql: str) -> None:
    script = f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;"
    try:
        connection.executescript(script)
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
