"""The check of `fpai doctor` that sets side by side what is installed, what runs and what the database is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from executor import __version__
from executor.cli.archive import DATABASE
from executor.cli.doctor import Check
from executor.store.migrate import before, migrations

_NAME = "version"


def examine_version(state_dir: Path, running: str | None) -> Check:
    """`running` is the daemon's version, None when none answers."""
    newest = migrations()[-1][0]
    says = f"installed {__version__} with schema {newest}"
    path = state_dir / DATABASE
    try:
        schema = _schema(path)
    except sqlite3.Error as error:
        fix = "`fpai doctor --deep` looks at the database."
        return Check(_NAME, "warn", f"{says}; the database's cannot be read: {error}", fix)
    says += f"; the database has schema {schema}" if schema else "; no database yet"
    if schema > newest:
        copy = before(path, newest + 1)
        fix = "Install the release that wrote it."
        fix += f" Or go back to before the upgrade: fpai restore {copy}" if copy.exists() else ""
        return Check(_NAME, "fail", f"{says}, which only a later release knows", fix)
    if running is not None and running != __version__:
        return Check(_NAME, "warn", f"{says}; the daemon runs {running}", "Restart the daemon.")
    if 0 < schema < newest:
        says += f"; the next start copies it and brings it to {newest}"
    return Check(_NAME, "ok", says)


def _schema(path: Path) -> int:
    """0 when there is no database yet."""
    if not path.is_file() or not path.stat().st_size:
        return 0
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
