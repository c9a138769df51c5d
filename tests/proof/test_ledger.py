"""What a test tried is written down under the promise in its name, however it ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest
from tests.proof.ledger import ledger, pytest_runtest_makereport  # noqa: F401

def test_r5_r6_one_and_another(ledger):
    ledger.tried("states", 3)
    ledger.tried("states", 4)

def test_r7_breaks(ledger):
    ledger.tried("holders")
    assert False

@pytest.mark.skip(reason="not here")
def test_r8_elsewhere(): ...

def test_a_wall(ledger):
    ledger.tried("attacks", 2, threat="sandbox escapes")

def test_r9_counts_nothing(): ...

def test_proves_nothing(): ...
"""


def run(where: Path, asked: str) -> list[dict]:
    """Run the tests above in a pytest of their own, selected as a proof selects."""
    (where / "test_them.py").write_text(TESTS)
    ledger = where / "ledger.jsonl"
    words = [
        "-p",
        "tests.proof.selection",
        "-p",
        "tests.proof.ledger",
        "-c",
        os.devnull,
        "--rootdir",
        str(where),
    ]
    env = {**os.environ, "FPAI_PROOF": str(ledger), "FPAI_PROOF_OF": asked, "PYTHONPATH": str(ROOT)}
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *words,
        str(where / "test_them.py"),
    ]
    subprocess.run(argv, cwd=where, env=env, capture_output=True, check=False, timeout=60)
    return [json.loads(line) for line in ledger.read_text().splitlines()]


def test_every_proving_test_is_written_down_with_its_outcome(tmp_path):
    found = {tuple(one["subjects"]): (one["outcome"], one["tried"]) for one in run(tmp_path, "")}
    assert found == {
        ("R5", "R6"): ("passed", {"states": 7}),
        ("R7",): ("failed", {"holders": 1}),
        ("R8",): ("skipped", {}),
        ("sandbox escapes",): ("passed", {"attacks": 2}),
        ("R9",): ("passed", {}),
    }


def test_only_what_is_asked_for_is_run(tmp_path):
    assert [one["subjects"] for one in run(tmp_path, "R6 R9")] == [["R5", "R6"], ["R9"]]
    (tmp_path / "ledger.jsonl").unlink()
    assert [one["subjects"] for one in run(tmp_path, "threats")] == [["sandbox escapes"]]
