"""State directories that already hold builds, written at once instead of one submit after another."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

from executor.domain.build import ApprovalMode, Build, State
from executor.domain.events import Event
from executor.store import builds as rows
from executor.store.store import DATABASE_NAME, Store
from tests.bench.harness import run


def queue(state_dir: Path, count: int) -> None:
    """Leave `count` builds of as many droplets waiting for their first slot."""
    run(_store(state_dir, [_build(n, State.QUEUED) for n in range(count)]))


def deploy_next(state_dir: Path, count: int) -> None:
    """Leave `count` builds in progress at step 6, as a kill leaves them while they wait for their target."""
    begun: dict[str, object] = {"version": "0.1.0", "commit": "0" * 40, "deploying": "of-another-commit"}
    run(_store(state_dir, [_build(n, State.IN_PROGRESS, step=6, facts=begun) for n in range(count)]))


def remember(state_dir: Path, builds: int, events_each: int) -> list[str]:
    """Leave a history of finished builds, each with so many events; returns their ids, oldest first."""
    run(_store(state_dir, []))
    made = [_build(n, State.COMPLETE, step=8, last_seq=events_each) for n in range(builds)]
    connection = sqlite3.connect(state_dir / DATABASE_NAME, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")  # filling is not measured
    connection.execute("BEGIN")
    for build in made:
        rows.insert(connection, build, ())
    connection.execute(_EVENTS, (events_each, time.time(), json.dumps({"duration_seconds": 1.5})))
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return [build.id for build in made]


_EVENTS = """
INSERT INTO events (build_id, seq, event_type, step, attempt, percent, message, at, data)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
SELECT builds.id, n, 'step_completed', 1 + n % 8, 1, n % 100, 'Step ' || (1 + n % 8) || ' is done.', ?, ?
FROM builds CROSS JOIN numbers ORDER BY builds.id, n
"""


async def _store(state_dir: Path, builds: list[Build]) -> None:
    store = await Store.open(state_dir)

    def write(connection: sqlite3.Connection) -> None:
        for build in builds:
            rows.insert(connection, build, [_queued(build)])

    await store.database.write(write)
    await store.close()


def _build(
    number: int, state: State, step: int = 1, last_seq: int = 1, facts: dict[str, object] | None = None
) -> Build:
    at = time.time() - 86_400 + number
    return Build(
        id=f"build-{1000 + number}-bench{number}-20260101-001",
        intent="Build a Library Droplet that stores books with title, author and year",
        droplet_id=1000 + number,
        droplet_name=f"bench{number}",
        approval_mode=ApprovalMode.AUTO,
        target="process",
        created_at=at,
        updated_at=at,
        state=state,
        step=step,
        step_started_at=at if state is State.IN_PROGRESS else None,
        finished_at=at if state is State.COMPLETE else None,
        version=1,
        last_seq=last_seq,
        facts=facts or {},
    )


def _queued(build: Build) -> Event:
    return Event(
        build.id, 1, "build_queued", 1, 1, 0, "Intent received.", build.created_at, {"intent": build.intent}
    )
