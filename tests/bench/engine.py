"""The real engine around trivial steps, and the floor below it: the same rows committed by sqlite3 alone."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from executor.domain.outcome import Artifact, Done, Outcome
from executor.domain.step import StepContext
from executor.store.store import DATABASE_NAME
from tests.bench.filled import queue
from tests.bench.harness import durable, place, prove_durable, run
from tests.engine.conftest import running_world

STEPS = 8
_RAW = (
    "UPDATE builds SET version = ?, state = ?, step = ?, last_seq = ?, completed = ?, facts = ? WHERE id = ?",
    "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "INSERT INTO step_runs (build_id, step, attempt, ended, at, seconds) VALUES (?, ?, ?, ?, ?, ?)",
)


@dataclass(slots=True)
class Walk:
    """What a run of builds through all eight steps took, in seconds."""

    seconds: float = 0.0
    gaps: list[float] = field(default_factory=list)


class _Clocked:
    """A step that notes when it was called and is done at once."""

    def __init__(self, number: int, calls: _Calls) -> None:
        self.number = number
        self._calls = calls

    async def run(self, context: StepContext) -> Outcome:
        """Done."""
        self._calls.note(context.build.id)
        artifacts = (Artifact("spec", "# SPEC"),) if self.number == 2 else ()
        return Done(f"Step {self.number} is done.", {}, artifacts)


class _Calls:
    def __init__(self, expected: int) -> None:
        self.first = 0.0
        self.last = asyncio.Event()
        self.gaps: list[float] = []
        self._left = expected
        self._last: dict[str, float] = {}

    def note(self, build_id: str) -> None:
        now = time.perf_counter()
        self.first = self.first or now
        if build_id in self._last:
            self.gaps.append(now - self._last[build_id])
        self._last[build_id] = now
        self._left -= 1
        if not self._left:
            self.last.set()


def walk(state_dir: Path, builds: int, in_flight: int) -> Walk:
    """Run so many queued builds, so many at once, from the first step's call to the last commit."""
    queue(state_dir, builds)
    return run(_walk(state_dir, builds, in_flight))


async def _walk(state_dir: Path, builds: int, in_flight: int) -> Walk:
    calls = _Calls(builds * STEPS)
    async with running_world(state_dir, max_concurrent=in_flight) as world:
        for number in world.steps:
            world.steps[number] = _Clocked(number, calls)  # type: ignore[assignment]
        await calls.last.wait()
        while any(world.scheduler.counts().values()):
            await asyncio.sleep(0.001)
        ended = time.perf_counter()
        await world.store.database.write(prove_durable)
    return Walk(ended - calls.first, calls.gaps)


def walk_once(builds: int, in_flight: int) -> tuple[Walk, float]:
    """A walk in a place of its own, and the seconds that sqlite3 alone takes to commit the same rows."""
    with place() as state_dir, place() as beside:
        walked = walk(state_dir, builds, in_flight)
        queue(beside, builds)
        return walked, _raw(state_dir / DATABASE_NAME, beside / DATABASE_NAME, in_flight)


def _raw(done: Path, into: Path, batch: int) -> float:
    """Commit the checkpoints of `done` again: one thread, one transaction for each step of a batch."""
    commits = list(_commits(done, batch))
    connection = durable(into)
    started = time.perf_counter()
    for groups in commits:
        connection.execute("BEGIN IMMEDIATE")
        for sql, rows in zip(_RAW, groups, strict=True):
            connection.executemany(sql, rows)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def _commits(done: Path, batch: int) -> list[tuple[list[tuple[object, ...]], ...]]:
    connection = sqlite3.connect(done)
    builds = connection.execute("SELECT id, state, last_seq, completed, facts FROM builds").fetchall()
    events = _by_build(connection.execute("SELECT * FROM events WHERE event_type != 'build_queued'"))
    runs = _by_build(
        connection.execute("SELECT build_id, step, attempt, ended, at, seconds FROM step_runs ORDER BY id")
    )
    connection.close()
    commits: list[tuple[list[tuple[object, ...]], ...]] = []
    for start in range(0, len(builds), batch):
        together = builds[start : start + batch]
        for step in range(1, STEPS + 1):
            share = slice(2 * (step - 1), 2 * step)
            commits.append(
                (
                    [(step + 2, b[1], step, b[2], b[3], b[4], b[0]) for b in together],
                    [row for b in together for row in events[b[0]][share]],
                    [runs[b[0]][step - 1] for b in together],
                )
            )
    return commits


def _by_build(rows: sqlite3.Cursor) -> dict[str, list[tuple[object, ...]]]:
    found: dict[str, list[tuple[object, ...]]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return found


def commit_seconds(count: int) -> Sequence[float]:
    """What one small commit takes, so many times."""
    with place() as state_dir:
        connection = durable(state_dir / "small.db")
        connection.execute("CREATE TABLE small (id INTEGER PRIMARY KEY, at REAL)")
        seconds = []
        for _ in range(count):
            started = time.perf_counter()
            connection.execute("INSERT INTO small (at) VALUES (?)", (started,))
            seconds.append(time.perf_counter() - started)
        connection.close()
    return seconds
