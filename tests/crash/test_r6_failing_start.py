"""R6: a start whose Nth write or sync the disk refuses goes on or ends in plain words; nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.daemon import RealDaemon
from tests.crash.disk.check import faults
from tests.crash.disk.copies import done
from tests.crash.disk.recorder import COMPILER, compiled, preload
from tests.proof.scale import scaled

ROOT = Path(__file__).parents[2]
STEP = scaled(9, 1)
SYNC_STEP = scaled(5, 1)
STATES = scaled(30, 300)

pytestmark = pytest.mark.skipif(COMPILER is None, reason="the shim needs a C compiler")


@pytest.mark.parametrize("kind", ["ENOSPC", "EIO"])
def test_r6_a_start_may_be_refused_at_any_write_or_sync_and_the_next_one_finds_everything(
    tmp_path, kind, ledger
):
    env = {**os.environ, **preload(compiled(tmp_path), tmp_path / "state")}
    words = [str(tmp_path), str(STEP), str(getattr(errno, kind))]
    argv = [sys.executable, "-m", "tests.crash.disk.starting", *words]
    ran = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["faults"] == []
    assert {word.rpartition(": ")[0].partition("/")[0] for word in told["refused"]} == {"The database "}
    assert told["opened"] > 2
    assert len(told["refused"]) > 5
    ledger.tried("starts with a refused write or sync", told["opened"] + len(told["refused"]))


def test_r5_r6_a_refused_sync_is_noticed_even_where_sqlite_takes_no_notice_of_it(tmp_path, ledger):
    recorder, directory = compiled(tmp_path), tmp_path / "state"
    directory.mkdir()
    syncs = [one.path for one in done("added", recorder, directory) if one.kind == "S"]
    assert syncs.count(".") >= 2
    for nth, path in enumerate(syncs, 1):
        if path != "." and nth % SYNC_STEP:
            continue
        shutil.rmtree(directory)
        directory.mkdir()
        refused = done("added", recorder, directory, FPAI_FAULT=f"{nth},0,0,{errno.EIO}")
        assert [one.path for one in refused if one.kind == "F"] == [path]
        assert faults(refused, STATES) == []
        ledger.tried("crash states of a disk whose syncs are refused", STATES)


def test_r6_a_daemon_on_a_disk_that_refuses_everything_ends_with_73_and_starts_once_it_is_mended(
    tmp_path, ledger
):
    state = tmp_path / ".executor"
    state.mkdir(mode=0o700)
    daemon = RealDaemon(tmp_path, FPAI_MODEL__PROVIDER="scaffold", **preload(compiled(tmp_path), state))
    try:
        for first, said in (
            (1, f"The state directory {state} cannot be written: Input/output error."),
            (2, f"The database {state}/executor.db cannot be opened for writing"),
        ):
            daemon.env["FPAI_FAULT"] = f"{first},1,{errno.EIO},{errno.EIO}"
            daemon.start(wait=False)
            assert daemon.process.wait(60) == 73
            assert said in daemon.log.read_text()
            ledger.tried("daemons on a disk that refuses everything")
        del daemon.env["FPAI_FAULT"]
        daemon.start()
        assert daemon.get("/executor/builds") == []
    finally:
        daemon.clean_up()
