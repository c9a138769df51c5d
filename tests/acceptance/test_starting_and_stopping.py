"""How the daemon starts, refuses to start, stops, and what survives it."""

from __future__ import annotations

import socket
import subprocess
import time

import pytest

from tests.acceptance.daemon import FPAI, RealDaemon


def serve(home, **env):
    daemon = RealDaemon(home, **env)
    argv = [FPAI, "serve"]
    done = subprocess.run(
        argv, cwd=home, env=daemon.env, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    return done


def test_r7_a_second_daemon_on_the_directory_exits_with_75_and_names_the_first(daemon, ledger):
    done = serve(daemon.home)
    assert done.returncode == 75
    assert str(daemon.process.pid) in done.stderr
    ledger.tried("second daemons on a directory")


def test_a_taken_port_exits_with_69_and_names_it(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = serve(tmp_path, FPAI_SERVER__PORT=str(port))
    assert done.returncode == 69
    assert str(port) in done.stderr


def test_a_state_directory_that_cannot_be_written_exits_with_73(tmp_path):
    (tmp_path / "file").write_text("")
    done = serve(tmp_path, FPAI_STATE__DIR=str(tmp_path / "file" / "state"))
    assert done.returncode == 73
    assert "FPAI_STATE__DIR" in done.stderr


@pytest.mark.parametrize(
    ("key", "meant"), [("FPAI_SERVER__PROT", "server.port"), ("FPAI_BULIDS__DEADLINE", "builds")]
)
def test_an_unknown_configuration_key_exits_with_78_and_says_what_was_meant(tmp_path, key, meant):
    done = serve(tmp_path, **{key: "1"})
    assert done.returncode == 78
    assert meant in done.stderr


def test_other_addresses_than_loopback_need_a_token(tmp_path):
    assert serve(tmp_path, FPAI_SERVER__HOST="0.0.0.0").returncode == 78


def test_r9_sigterm_drains_exits_with_0_and_a_restart_goes_on(tmp_path):
    daemon = RealDaemon(tmp_path)
    try:
        daemon.start()
        build_id = daemon.build("Build a droplet that stores cards")
        assert daemon.terminate() == 0
        daemon.start()
        assert daemon.until(build_id)["status"] == "complete"
        alive = daemon.releases_alive()
        assert daemon.terminate() == 0
        assert daemon.releases_alive() == alive
        assert len(alive) == 1
        daemon.start()
        droplet = daemon.get("/executor/droplets")[0]
        assert droplet["release"] == alive[0]
        assert daemon.releases_alive() == alive
    finally:
        daemon.clean_up()


def test_r13_a_daemon_whose_database_is_damaged_restores_its_backup_and_says_so(tmp_path):
    daemon = RealDaemon(tmp_path, FPAI_STATE__BACKUP_EVERY="1s")
    try:
        daemon.start()
        build_id = daemon.build("Build a droplet that stores cards")
        daemon.until(build_id)
        backups, until = tmp_path / ".executor" / "backups", time.monotonic() + 60
        finished = time.time()
        while not [copy for copy in backups.glob("*.db") if copy.stat().st_mtime > finished]:
            assert time.monotonic() < until, daemon.log.read_text()[-2000:]
            daemon.build(
                "Build another droplet that waits", approval_mode="checkpoints"
            )  # something to write
            time.sleep(0.5)
        daemon.kill()
        database = tmp_path / ".executor" / "executor.db"
        for damaged in database.parent.glob("executor.db*"):
            damaged.write_bytes(b"\xff" * damaged.stat().st_size)
        daemon.start()
        assert daemon.status(build_id)["status"] == "complete"
        assert "database_restored" in daemon.log.read_text()
        assert list(database.parent.glob("executor.db.damaged-*"))
        told = {one["name"]: one for one in daemon.get("/executor/dependencies")["optional_services"]}
        assert "is not known here" in told["database"]["impact"]
    finally:
        daemon.clean_up()
