"""Trust.md R12: a schema moves in one transaction or not at all, and what was there is kept first."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from executor.domain.build import State
from executor.store.backups import problem_of
from executor.store.migrate import NewerSchema, migrate, migrations
from executor.store.store import Store

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


def test_a_database_of_a_later_release_is_refused_with_the_way_back_and_not_touched(tmp_path):
    path = tmp_path / "executor.db"
    with closing(_at_this_release(path)) as connection:
        migrate(connection, path, [*KNOWN, (NEXT, "ALTER TABLE droplets ADD COLUMN extra TEXT;")])
        with pytest.raises(NewerSchema) as refused:
            migrate(connection, path, KNOWN)
        assert f"schema {NEXT}" in refused.value.message
        assert f"fpai restore {path}.before-{NEXT:04d}" in refused.value.hint
        (tmp_path / f"executor.db.before-{NEXT:04d}").unlink()
        with pytest.raises(NewerSchema) as refused:
            migrate(connection, path, KNOWN)
        assert "fpai restore FILE" in refused.value.hint
        assert "extra" in _columns(connection)


def test_the_copy_from_before_a_migration_is_one_sound_file(tmp_path):
    path = tmp_path / "executor.db"
    with closing(_at_this_release(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("INSERT INTO droplets (id, name, updated_at) VALUES (2, 'only in the WAL', 0)")
        migrate(connection, path, [*KNOWN, (NEXT, "ALTER TABLE droplets ADD COLUMN extra TEXT;")])
    kept = tmp_path / f"executor.db.before-{NEXT:04d}"
    assert problem_of(kept) == ""
    assert (
        kept.read_bytes()[18:20] == b"\x01\x01"
    )  # no journal beside it belongs to it (sqlite.org/fileformat2)
    with closing(sqlite3.connect(f"{kept.as_uri()}?mode=ro&immutable=1", uri=True)) as backup:
        assert backup.execute("SELECT count(*) FROM droplets").fetchone() == (2,)


def test_a_migration_that_fails_half_way_changes_nothing(tmp_path):
    path = tmp_path / "executor.db"
    broken = "ALTER TABLE droplets ADD COLUMN extra TEXT; SELECT * FROM nothing;"
    with closing(_at_this_release(path)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="nothing"):
            migrate(connection, path, [*KNOWN, (NEXT, broken)])
        assert "extra" not in _columns(connection)
        assert connection.execute("PRAGMA user_version").fetchone()[0] == KNOWN[-1][0]
        assert not connection.in_transaction


SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("*.sql"))


def _released(path: Path, schema: Path) -> sqlite3.Connection:
    """A database as a release with that schema left it: one build is done, one waits at its gate."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(schema.read_text(encoding="utf-8"))
    return connection


def test_r12_every_released_schema_has_its_fixture():
    assert [int(schema.stem) for schema in SCHEMAS] == [number for number, _ in KNOWN]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.stem)
async def test_r12_a_database_of_every_released_schema_is_taken_over_with_all_that_it_holds(
    tmp_path, schema, ledger
):
    with closing(_released(tmp_path / "executor.db", schema)) as old:
        tables = [row[0] for row in old.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        rows = {name: old.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}
    store = await Store.open(tmp_path)
    try:
        for name, count in rows.items():
            assert (await store.database.fetch(f"SELECT count(*) AS n FROM {name}"))[0]["n"] == count
        waits, done = (await store.builds.page(limit=10)).builds[::-1]
        assert {waits.state, done.state} == {State.WAITING_APPROVAL, State.COMPLETE}
        assert len(await store.builds.events(done.id, 0, 500)) == done.last_seq
        assert len(await store.droplets.releases(done.droplet_id)) == 1
        assert await store.builds.artifact(done.id, "spec") is not None
        ledger.tried("released schemas")
    finally:
        await store.close()


@pytest.mark.parametrize("schema", SCHEMAS[:-1], ids=lambda schema: schema.stem)
def test_r12_a_kill_at_any_statement_of_a_migration_leaves_one_schema_or_the_next(tmp_path, schema, ledger):
    path, nth, died = tmp_path / "executor.db", 0, True
    while died:
        nth += 1
        for old in tmp_path.glob("executor.db*"):
            old.unlink()
        _released(path, schema).close()
        died = _migrated_until(path, nth)
        with closing(sqlite3.connect(path, isolation_level=None)) as after:
            reached = after.execute("PRAGMA user_version").fetchone()[0]
            assert reached in {number for number, _ in KNOWN if number >= int(schema.stem)}
            assert _shape(after) == _shape_of(reached)
            assert after.execute("SELECT count(*) FROM builds").fetchone()[0] == 2
            migrate(after, path, KNOWN)
            assert _shape(after) == _shape_of(KNOWN[-1][0])
        ledger.tried("kill points of migrations")
    assert nth > 3


def _migrated_until(path: Path, nth: int) -> bool:
    """Migrate in a child that is killed when SQLite begins its Nth statement; True if it was."""
    child = os.fork()
    if child == 0:
        connection, count = sqlite3.connect(path, isolation_level=None), 0

        def trace(_: str) -> None:
            nonlocal count
            count += 1
            if count == nth:
                os.kill(os.getpid(), signal.SIGKILL)

        connection.set_trace_callback(trace)
        migrate(connection, path, KNOWN)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _shape(connection: sqlite3.Connection) -> set[tuple[str, ...]]:
    """Every table with its columns: ALTER TABLE writes a table's text in a way of its own."""
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return {(name, *(row[1] for row in connection.execute(f"PRAGMA table_info({name})"))) for name in tables}


def _shape_of(number: int) -> set[tuple[str, ...]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for step, sql in KNOWN:
            if step <= number:
                connection.executescript(sql)
        return _shape(connection)
