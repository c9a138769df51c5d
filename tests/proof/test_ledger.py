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


def run(where: Path, asked: str, text: str = TESTS, sweep: str = "") -> list[dict]:
    """Run these tests in a pytest of their own, selected as a proof selects."""
    (where / "test_them.py").write_text(text)
    ledger = where / "ledger.jsonl"
    ledger.unlink(missing_ok=True)
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
    env = {**os.environ, "FPAI_PROOF": str(ledger), "FPAI_PROOF_OF": asked, "FPAI_SWEEP": sweep}
    env["PYTHONPATH"] = str(ROOT)
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


def test_only_what_can_be_tried_at_a_larger_scale_is_a_sample(tmp_path):
    scaled = "from tests.proof.scale import scaled\n\ndef test_r1_once():\n    assert scaled(1, 2)\n"
    assert [one["full"] for one in run(tmp_path, "R1", scaled)] == [False]
    assert [one["full"] for one in run(tmp_path, "R1", scaled, sweep="all")] == [True]
    assert [one["full"] for one in run(tmp_path, "R9")] == [True]


def test_only_what_is_asked_for_is_run(tmp_path):
    assert [one["subjects"] for one in run(tmp_path, "R6 R9")] == [["R5", "R6"], ["R9"]]
    assert [one["subjects"] for one in run(tmp_path, "threats")] == [["sandbox escapes"]]
