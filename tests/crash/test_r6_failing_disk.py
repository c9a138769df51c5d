"""R5, R6: a disk that refuses every Nth write or sync is waited out; nothing is told that is not on it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from sqlite3 import connect

import pytest

from tests.crash.disk.check import faults
from tests.crash.disk.recorder import COMPILER, Operation, compiled, operations, preload
from tests.proof.scale import IN_FULL, scaled

ROOT = Path(__file__).parents[2]
STATES = scaled(100, 1_500)
SYNC_NTHS = (2, 3, 5) if IN_FULL else (3,)
NTHS = range(1, 31) if IN_FULL else (2,)
FAULTS = {
    "no space to write": (errno.ENOSPC, 0),
    "a write that fails": (errno.EIO, 0),
    "a sync that fails": (0, errno.EIO),
}

pytestmark = pytest.mark.skipif(COMPILER is None, reason="the shim needs a C compiler")


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("shim"))


def told(directory: Path, shim: Path, every: int, fault: tuple[int, int], log: Path | None = None) -> dict:
    words = {
        "FPAI_FAULT": f"{every},{every},{fault[0]},{fault[1]}",
        "FPAI_FAULT_WHILE": str(directory / "failing"),
    }
    ran = subprocess.run(
        [sys.executable, "-m", "tests.crash.disk.failing", str(directory)],
        cwd=ROOT,
        env={**os.environ, **preload(shim, directory, log, **words)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("kind", FAULTS)
def test_r6_every_nth_write_or_sync_may_fail_and_the_builds_end_as_ever(tmp_path, shim, kind, ledger):
    seen = 0
    for every in NTHS:
        directory = tmp_path / str(every)
        directory.mkdir()
        found = told(directory, shim, every, FAULTS[kind])
        seen += found.pop("refused")
        assert found == {"unsaid": 0, "states": ["complete"] * 5, "whole": True}, f"every {every}th"
        with closing(connect(directory / "executor.db")) as database:
            assert database.execute("PRAGMA quick_check").fetchone() == ("ok",)
        ledger.tried(f"disks with {kind}")
    assert seen > 5
    ledger.tried("writes that were refused", seen)


def ignored(done: Sequence[Operation]) -> list[Operation]:
    """As by a daemon that takes no notice: what it was told is synced was refused now and then."""
    return [replace(one, kind="F") if one.kind == "S" and n % 3 == 0 else one for n, one in enumerate(done)]


@pytest.mark.parametrize("every", SYNC_NTHS)
def test_r5_r6_what_a_refused_sync_dropped_is_written_again_before_anybody_is_told(
    tmp_path, shim, every, ledger
):
    directory, log = tmp_path / "state", tmp_path / "disk.log"
    directory.mkdir()
    assert told(directory, shim, every, FAULTS["a sync that fails"], log)["states"] == ["complete"] * 5
    done = operations(log, directory)
    assert sum(one.kind == "F" for one in done) > 5
    assert sum(one.kind == "A" for one in done) > 50
    assert faults(done, STATES) == []
    ledger.tried("crash states of a disk whose syncs are refused", STATES)
    assert any(": lost: " in fault for fault in faults(ignored(done), 40)), "the check finds nothing"
