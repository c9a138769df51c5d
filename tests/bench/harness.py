"""What every measurement needs: a place on a real disk, proof of durability, children, quantiles."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog
import uvloop

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
BENCH = ROOT / ".bench"
_SILENCE_SECONDS = 300.0
_IN_MEMORY = {"tmpfs", "ramfs"}
_WAL_FULL = ("wal", 2)


class NotDurable(AssertionError):
    """A connection that would win unfairly, or a directory that forgets."""


@contextmanager
def place() -> Iterator[Path]:
    """A state directory on a real disk, removed afterwards. Raises NotDurable on a tmpfs."""
    BENCH.mkdir(exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="state-", dir=BENCH))
    try:
        if filesystem(path) in _IN_MEMORY:
            raise NotDurable(f"{path} lies in memory; measure on a disk.")
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def filesystem(path: Path) -> str:
    """The type of the filesystem that holds `path`."""
    best, kind = "", ""
    for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        left, _, right = line.partition(" - ")
        point = left.split()[4]
        if path.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind


def prove_durable(connection: sqlite3.Connection) -> None:
    """Raise NotDurable unless this live connection runs WAL with synchronous=FULL."""
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    level = connection.execute("PRAGMA synchronous").fetchone()[0]
    if (mode, level) != _WAL_FULL:
        raise NotDurable(f"The connection runs journal_mode={mode}, synchronous={level}.")


def durable(path: Path) -> sqlite3.Connection:
    """A plain connection as durable as the store's: the floor's side of a comparison."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    prove_durable(connection)
    return connection


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on the loop that the daemon uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def quiet() -> None:
    """Let nothing be logged: a benchmark's terminal is for its table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def alternating(rounds: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Measure the sides in turn, so that a busy neighbour disturbs all of them alike."""
    seen: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for values, side in zip(seen, sides, strict=True):
            values.append(side())
    return seen


def many_files() -> None:
    """Allow as many open sockets as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def rss_bytes(pid: int) -> int:
    """The resident memory of a process, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def environment() -> dict[str, str]:
    """The environment of every child: like an installed program's, its modules are compiled once and kept."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FPAI_", "PYTHON"))}
    return {
        **kept,
        "PYTHONPYCACHEPREFIX": str(BENCH / "pycache"),
        "PYTHONDONTWRITEBYTECODE": "",  # said, not left out: who adds to our own environment overrides it
    }


class Child:
    """A module of ours run as a program; it answers with one JSON document a line on stdout."""

    def __init__(self, module: str, *words: object, python: Path | str = sys.executable) -> None:
        self._module = module
        argv = [str(python), "-m", module, *map(str, words)]
        self.process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def answer(self) -> dict[str, Any]:
        """Wait for its next line. Raises ChildProcessError when it ends instead, or says nothing for long."""
        assert self.process.stdout is not None
        impatient = threading.Timer(_SILENCE_SECONDS, self.process.kill)
        impatient.start()
        line = self.process.stdout.readline()
        impatient.cancel()
        if not line:
            raise ChildProcessError(f"{self._module} ended with {self.process.wait()}.")
        found: dict[str, Any] = json.loads(line)
        return found

    def tell(self, word: str) -> None:
        """Send it a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def end(self, number: int = signal.SIGKILL) -> None:
        """End it and wait until it is gone."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(30)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def child(module: str, *words: object, python: Path | str = sys.executable) -> Iterator[Child]:
    """A Child that ends with the context."""
    one = Child(module, *words, python=python)
    try:
        yield one
    finally:
        one.end()
