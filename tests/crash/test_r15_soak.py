"""R15: many builds, killed at random, leave no zombie, process, descriptor or temporary directory behind."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from tests.crash.outside import WorldServer
from tests.proof.scale import scaled

BUILDS, KILLS = scaled(24, 1000), scaled(4, 60)
ROOT = Path(__file__).parents[2]


def test_r15_builds_with_random_kills_leave_nothing_behind(tmp_path, ledger):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    state_dir, chance = tmp_path / "state", random.Random(15)
    state_dir.mkdir()
    with WorldServer() as server:
        argv = [sys.executable, "-m", "tests.crash.soak", str(state_dir), server.url, server.registry.url]
        argv += [server.model.url, str(BUILDS)]
        killed = 0
        for _ in range(KILLS):
            child = _started(argv, temporary)
            try:
                child.wait(1.5 + chance.random() * 3)
            except subprocess.TimeoutExpired:
                os.kill(child.pid, signal.SIGKILL)
                killed += 1
            child.communicate()
        child = _started(argv, temporary)
        out, _ = child.communicate(timeout=3600)
        assert child.returncode == 0
        early, late = json.loads(out.splitlines()[-1])[-2:]
        alive, registered = len(server.world.alive), len(server.registry.droplets)
    with closing(sqlite3.connect(state_dir / "executor.db")) as db:
        states = db.execute("SELECT state, count(*) FROM builds GROUP BY state").fetchall()
        pending = db.execute("SELECT count(*) FROM effects WHERE done_at IS NULL").fetchone()[0]
    assert states == [("complete", BUILDS)]
    assert (alive, registered, pending) == (BUILDS, BUILDS, 0)
    assert late["children"] == 0
    assert late["fds"] <= early["fds"] + 4
    assert late["threads"] <= early["threads"] + 4
    assert late["tasks"] <= early["tasks"] + 4
    assert late["kib"] <= early["kib"] + 24_000, (early, late)
    assert _processes_below(state_dir) == []
    assert list(state_dir.glob("places/*/scratch/*")) == []
    left = list(temporary.rglob("*"))
    assert len(left) <= 1, "the one directory for sockets, which each state directory has, and that empty"
    ledger.tried("builds", registered)
    ledger.tried("kills of their daemon", killed)


def _started(argv: list[str], temporary: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    return subprocess.Popen(
        argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def _processes_below(state_dir: Path) -> list[str]:
    """Command lines that still name the state directory; what a kill orphaned gets a moment to end."""
    deadline = time.monotonic() + 20
    while (found := _naming(str(state_dir))) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def _naming(text: str) -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            lines.append(line)
    return lines
