"""Builds to store, written as the engine writes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from executor.domain.build import ApprovalMode, Build, State
from executor.domain.events import Event
from executor.domain.outcome import Artifact
from executor.store import builds as rows
from executor.store.store import Store


def make_build(number: int = 1, *, state: State = State.QUEUED, created_at: float = 0.0) -> Build:
    return Build(
        id=f"build-{number}",
        intent="Build Notes Droplet",
        droplet_id=20 + number % 2,
        droplet_name=f"notes-{number % 2}",
        approval_mode=ApprovalMode.AUTO,
        target="process",
        created_at=created_at or float(number),
        updated_at=0.0,
        version=1,
        state=state,
    )


async def stored(store: Store, *builds: Build) -> None:
    """Write builds as a submit does."""
    for build in builds:
        await store.database.write(lambda c, build=build: rows.insert(c, build, ()))


async def advance(
    store: Store,
    build: Build,
    *,
    events: Sequence[str] = (),
    artifacts: Sequence[Artifact] = (),
    run: rows.StepRun | None = None,
) -> Build:
    """Write one checkpoint and return the build as it is then."""
    after = replace(build, version=build.version + 1, last_seq=build.last_seq + len(events))
    told = tuple(
        Event(build.id, build.last_seq + n, word, 1, 1, 0, word, 0.0, {"n": n})
        for n, word in enumerate(events, 1)
    )
    await store.builds.checkpoint(rows.Checkpoint(after, told, tuple(artifacts), run), lambda: None)
    return after


def add_many_lines(store: Store) -> None:
    """More log than a file that may not grow has room for."""
    text = "\n".join("a long line of the log " * 10 for _ in range(2000))
    store.log_lines.add("build-1", step=1, attempt=1, level="info", text=text, now=0.0)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path)
    yield opened
    await opened.close()
