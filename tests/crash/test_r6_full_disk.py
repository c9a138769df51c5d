"""R6: a full disk pauses, reports nothing that is not on disk, and goes on by itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SEEDS = range(40 if os.environ.get("FPAI_SWEEP") == "all" else 3)
_MOUNTED = 'mount -t tmpfs -o size=3m tmpfs "$1" && exec "$2" -m tests.crash.full_disk full "$1"'


def told(argv: list[str]) -> dict:
    ran = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="a mount needs root and unshare")
def test_r6_a_full_disk_pauses_and_what_was_told_is_on_it_and_freed_it_goes_on(tmp_path):
    shell = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _MOUNTED]
    found = told([*shell, "sh", str(tmp_path), sys.executable])
    assert found["stuck"]["finished"] < 5, "3 MiB are not enough for all of them"
    assert found["stuck"]["unsaid"] == found["unsaid"] == 0
    assert found["states"] == ["complete"] * 5
    assert found["whole"]


@pytest.mark.parametrize("seed", SEEDS)
def test_r6_writes_that_fail_by_turns_lose_nothing(tmp_path, seed):
    found = told([sys.executable, "-m", "tests.crash.full_disk", "faults", str(tmp_path), str(seed)])
    assert found.pop("refused") > 10
    assert found == {"states": ["complete"] * 5, "whole": True, "unsaid": 0}
