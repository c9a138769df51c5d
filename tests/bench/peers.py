"""DBOS and LangGraph on the same SQLite, in an environment of their own below .bench/peers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.bench.harness import BENCH, Child, child, place

_HOME = BENCH / "peers"
_PYTHON = _HOME / "bin" / "python"
# The versions that the targets were set against; pysqlite3 brings the SQLite >= 3.42 that DBOS wants.
_PACKAGES = (
    "dbos==3.4.0",
    "langgraph==1.2.22",
    "langgraph-checkpoint-sqlite==3.1.2",
    "pysqlite3-binary==0.5.4.post2",
)
PEERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "LangGraph, sync": ("tests.bench.peer_langgraph", ()),
    "DBOS, WAL": ("tests.bench.peer_dbos", ("0",)),
    "DBOS, WAL, pool 1": ("tests.bench.peer_dbos", ("1",)),
}


def installed() -> bool:
    """Install the peers unless they are there; False, with the reason printed, when that cannot be done."""
    if _PYTHON.exists() and (_HOME / ".installed").exists():
        return True
    uv = str(Path(sys.executable).with_name("uv"))
    for argv in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(_HOME)],
        [uv, "pip", "install", "--quiet", "--python", str(_PYTHON), *_PACKAGES],
    ):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"The peers are left out, they could not be installed: {done.stderr.strip()[-300:]}")
            return False
    (_HOME / ".installed").touch()
    return True


def peer_steps(name: str, size: int) -> float | None:
    """Durable steps a second of one peer with so many workflows of eight trivial steps in flight."""
    module, words = PEERS[name]
    with place() as state_dir, child(module, state_dir, size, *words, python=_PYTHON) as peer:
        try:
            return float(peer.answer()["steps_per_second"])
        except ChildProcessError as error:
            print(f"{name} is left out: {error}")
            return None


def langgraph_waiting(state_dir: Path, size: int) -> Child:
    """A process that drives `size` graphs whose fifth node waits; it answers once all of them run."""
    return Child("tests.bench.peer_langgraph", state_dir, size, "wait", python=_PYTHON)
