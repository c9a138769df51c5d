"""R1 on the real thing: a real daemon, real builds, real releases, killed at random at least twenty times."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from contextlib import closing

from tests.acceptance.daemon import RealDaemon

KILLS = 20


def test_r1_a_daemon_killed_twenty_times_completes_every_build_and_repeats_no_effect(tmp_path, ledger):
    seed = int(os.environ.get("FPAI_SEED", "20261122"))
    chance = random.Random(seed)
    daemon = RealDaemon(tmp_path, FPAI_BUILDS__MAX_CONCURRENT="2")
    builds: list[str] = []
    try:
        daemon.start()
        for kill in range(KILLS):
            if kill % 5 == 0:
                builds.append(
                    daemon.build("Build a droplet that stores cards with title", droplet_name=f"d{kill}")
                )
            time.sleep(chance.uniform(0.05, 5.0))
            daemon.kill()
            daemon.start()
        for build_id in builds:
            ended = daemon.until(build_id, seconds=180)
            assert ended["status"] == "complete", f"seed {seed}: {ended['error'] or ended['questions']}"
        assert len(daemon.releases_alive()) == len(builds), f"seed {seed}"
        _assert_nothing_happened_twice(daemon, len(builds))
        ledger.tried("kills of a real daemon at random", KILLS)
    finally:
        daemon.clean_up()


def _assert_nothing_happened_twice(daemon: RealDaemon, builds: int) -> None:
    with closing(sqlite3.connect(daemon.state_dir / "executor.db")) as db:
        completed = db.execute(
            "SELECT count(*), count(DISTINCT build_id || '/' || step) FROM events WHERE event_type = 'step_completed'"
        ).fetchone()
        assert completed == (8 * builds, 8 * builds)
        assert db.execute("SELECT count(*) FROM releases WHERE state = 'live'").fetchone() == (builds,)
        assert db.execute("SELECT count(*) FROM effects WHERE done_at IS NULL").fetchone() == (0,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
