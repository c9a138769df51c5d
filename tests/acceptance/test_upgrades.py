"""A new release starts on the state that an older one left, and builds go on; back again is possible too."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from executor.store.backups import problem_of
from executor.store.migrate import migrations
from tests.acceptance.daemon import RealDaemon
from tests.acceptance.test_starting_and_stopping import serve
from tests.proof.scale import IN_FULL, scaled
from tests.store.test_migrate import SCHEMAS

NEWEST = migrations()[-1][0]
UNFINISHED = "build-15-cards-20261123-001"
MODE, GOES_ON_TO = ("auto", "complete") if IN_FULL else ("checkpoints", "waiting_approval")
"""In full the build is verified and deployed, else it is seen to go on as far as its SPEC."""
# As a kill in step 1 leaves it, in the columns that every schema so far has had.
KILLED_IN_STEP_1 = f"""
CREATE TEMP TABLE killed AS SELECT * FROM builds WHERE state = 'complete';
UPDATE killed SET id = '{UNFINISHED}', version = 1, state = 'in_progress', step = 1, attempt = 1, last_seq = 1,
    intent = 'Build a droplet that stores cards', droplet_id = 15, droplet_name = 'cards',
    approval_mode = '{MODE}', completed = '[]',
    facts = '{{"attempts": {{"1": 1}}}}', review = NULL, finished_at = NULL, step_started_at = updated_at;
INSERT INTO builds SELECT * FROM killed;
INSERT INTO events VALUES ('{UNFINISHED}', 1, 'build_queued', 1, 1, 0, 'Intent received.', 1795421930.0, '{{}}');
"""


def left_by(schema: Path, state_dir: Path) -> Path:
    """A state directory as a release of that schema left it when it was killed while it built."""
    state_dir.mkdir()
    path = state_dir / "executor.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.executescript(schema.read_text(encoding="utf-8"))
        made.executescript(KILLED_IN_STEP_1)
    return path


def schema_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


@pytest.mark.parametrize(
    "schema", SCHEMAS[-2 : -2 - scaled(1, len(SCHEMAS) - 1) : -1], ids=lambda schema: schema.stem
)
def test_r12_a_real_daemon_takes_an_older_state_over_and_its_build_goes_on(tmp_path, schema, ledger):
    database = left_by(schema, tmp_path / ".executor")
    daemon = RealDaemon(tmp_path)
    try:
        daemon.start()
        kept = database.with_name(f"executor.db.before-{int(schema.stem) + 1:04d}")
        assert problem_of(kept) == ""
        assert schema_of(kept) == int(schema.stem)
        assert daemon.until(UNFINISHED)["status"] == GOES_ON_TO
        assert len(daemon.get("/executor/builds")) == 3
        assert "database_migrated" in daemon.log.read_text()
        doctor = daemon.cli("doctor", check=False).stdout
        assert f"the database has schema {NEWEST}" in " ".join(doctor.split())
        seen = daemon.get("/metrics")
        assert f'fpai_builds_ended_total{{outcome="complete"}} {1 + IN_FULL}.0' in seen
        assert 'fpai_build_info{version="0.1.0"} 1.0' in seen
        alive = daemon.releases_alive()
        assert len(alive) == IN_FULL
        assert daemon.terminate() == 0
        daemon.cli("restore", str(kept), "--yes")
        assert schema_of(database) == int(schema.stem)
        assert daemon.releases_alive() == alive
        ledger.tried("older states taken over by a real daemon")
    finally:
        daemon.clean_up()


def test_r12_a_daemon_refuses_the_state_of_a_later_release_with_78_and_says_what_to_do(tmp_path, ledger):
    database = left_by(SCHEMAS[-1], tmp_path / ".executor")
    with closing(sqlite3.connect(database)) as later:
        later.execute(f"PRAGMA user_version = {NEWEST + 1}")
    before = database.read_bytes()
    done = serve(tmp_path)
    assert done.returncode == 78
    assert f"schema {NEWEST + 1}" in done.stderr
    assert "fpai restore FILE" in done.stderr
    database.with_name(f"executor.db.before-{NEWEST + 1:04d}").write_bytes(before)
    assert f"fpai restore {database}.before-{NEWEST + 1:04d}" in serve(tmp_path).stderr
    assert schema_of(database) == NEWEST + 1
    ledger.tried("states of a later release")
