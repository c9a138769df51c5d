"""R6: a disk that refuses every Nth write or sync is waited out; nothing is told that is not on it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

from tests.crash.disk.recorder import COMPILER, compiled, preload
from tests.proof.scale import IN_FULL

ROOT = Path(__file__).parents[2]
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


def told(directory: Path, shim: Path, every: int, fault: tuple[int, int]) -> dict:
    words = {"FPAI_FAULT": f"{every},{fault[0]},{fault[1]}", "FPAI_FAULT_WHILE": str(directory / "failing")}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.crash.disk.failing", str(directory)],
        cwd=ROOT,
        env={**os.environ, **preload(shim, directory, **words)},
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
