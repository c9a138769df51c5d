"""Trust.md R12: a schema moves in one transaction or not at all, and what was there is kept first."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from executor.store.migrate import migrate, migrations

KNOWN = migrations()
NEXT = KNOWN[-1][0] + 1


def _at_this_release(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, path, KNOWN)
    connection.execute("INSERT INTO droplets (id, name, updated_at) VALUES (1, 'notes', 0)")
    return connection


def _columns(connection: sqlite3.Connection) -> list[str]:
    return [row[1] for row in connection.execute("PRAGMA table_info(droplets)")]


def test_a_new_file_gets_the_schema_and_no_backup(tmp_path):
    with closing(_at_this_release(tmp_path / "executor.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == KNOWN[-1][0]
    assert list(tmp_path.glob("*.before-*")) == []


def test_a_later_migration_is_preceded_by_a_private_backup_of_what_was_there(tmp_path):
    path = tmp_path / "executor.db"
    with closing(_at_this_release(path)) as connection:
        migrate(connection, path, [*KNOWN, (NEXT, "ALTER TABLE droplets ADD COLUMN extra TEXT;")])
        assert "extra" in _columns(connection)
    kept = tmp_path / f"executor.db.before-{NEXT:04d}"
    assert kept.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(kept)) as backup:
        assert "extra" not in _columns(backup)
        assert backup.execute("SELECT name FROM droplets").fetchall() == [("notes",)]


def test_a_migration_that_fails_half_way_changes_nothing(tmp_path):
    path = tmp_path / "executor.db"
    broken = "ALTER TABLE droplets ADD COLUMN extra TEXT; SELECT * FROM nothing;"
    with closing(_at_this_release(path)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="nothing"):
            migrate(connection, path, [*KNOWN, (NEXT, broken)])
        assert "extra" not in _columns(connection)
        assert connection.execute("PRAGMA user_version").fetchone()[0] == KNOWN[-1][0]
        assert not connection.in_transaction
