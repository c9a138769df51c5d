"""R1, R2, R6, R14 in seeded worlds: the real engine on virtual time, killed between any two callbacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.proof.scale import scaled

ROOT = Path(__file__).parents[2]
WORLDS = scaled(80, 10_000)


def begun(*words: str, **env: str) -> subprocess.Popen[str]:
    """A simulation of its own process: nothing of pytest's is in it."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.crash.simulation", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **env},
    )


def ended(process: subprocess.Popen[str]) -> str:
    told, complaints = process.communicate()
    assert not complaints, complaints[-2000:]
    return told


def tried(first: int, count: int) -> list[dict[str, Any]]:
    """Live worlds in as many processes as there are cores; each stops at the first broken promise."""
    cores = len(os.sched_getaffinity(0))
    bounds = [first + count * part // cores for part in range(cores + 1)]
    shares = [begun(str(begin), str(end - 1)) for begin, end in pairwise(bounds)]
    return [json.loads(ended(share)) for share in shares]


def test_r1_r2_r6_r14_no_seeded_world_of_kills_faults_and_clock_jumps_breaks_a_promise(ledger):
    counts: Counter[str] = Counter()
    for share in tried(1, WORLDS):
        seed = share["broken"]
        said = "\n".join(share["problems"])
        assert seed is None, f"python -m tests.crash.simulation {seed}   replays this:\n{said}"
        counts.update(share["counts"])
    assert counts["worlds"] == WORLDS
    for what in ("kills", "stops", "lost replies", "refused writes"):
        assert counts[what] > WORLDS // 10, f"these worlds held hardly any {what}: {counts}"
    ledger.tried("simulated worlds", WORLDS)
    ledger.tried("kills in them", counts["kills"])
    ledger.tried("lost replies in them", counts["lost replies"])
    ledger.tried("refused writes in them", counts["refused writes"])
    ledger.tried("clock jumps in them", counts["clock jumps"])


@pytest.mark.parametrize("seed", range(31, 31 + scaled(2, 20)))
def test_a_seed_replays_exactly_whatever_process_it_is_in(seed):
    """Sets and dictionaries of strings are ordered otherwise in each process."""
    one, other = (begun(str(seed), PYTHONHASHSEED=hashes) for hashes in ("1", "2"))
    trace = ended(one)
    assert trace == ended(other)
    assert "Every promise held." in trace
    assert f"seed {seed}, trace " in trace
