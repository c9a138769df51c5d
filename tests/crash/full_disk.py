"""A daemon's engine in a state directory whose disk is full, or fails now and then; prints what came of it.

`python -m tests.crash.full_disk full DIR` fills the small file system that DIR is and frees it again.
`python -m tests.crash.full_disk faults DIR SEED` lets writes fail and succeed by turns that the seed gives.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from executor.domain.build import FINISHED, Build
from executor.domain.outcome import Artifact, Done, Outcome
from executor.domain.step import StepContext
from executor.errors import Unavailable
from tests.engine.conftest import World, running_world

BUILDS = 5


async def large(_: StepContext) -> Outcome:
    return Done("It is large.", artifacts=(Artifact("diff", os.urandom(60_000).hex()),))


class Heard:
    """Everything that was told on the bus; `tell` hears of each event at once."""

    def __init__(self, world: World, tell: Callable[[str, int], None] = lambda build_id, seq: None) -> None:
        self._world = world
        self._tell = tell
        self.events: set[tuple[str, int]] = set()

    async def listen(self) -> None:
        with self._world.bus.subscribe(None) as heard:
            while True:
                for frame in await heard.take(0.05):
                    self.events.add((frame.event.build_id, frame.event.seq))
                    self._tell(frame.event.build_id, frame.event.seq)


def stored(directory: Path) -> set[tuple[str, int]]:
    with closing(sqlite3.connect(f"file:{directory}/executor.db?mode=ro", uri=True)) as db:
        return {(row[0], row[1]) for row in db.execute("SELECT build_id, seq FROM events")}


async def submitted(world: World, count: int) -> int:
    """Submit builds; the ones that were refused for want of space are submitted again later."""
    taken = 0
    for number in range(count):
        try:
            key = f"key-{number}"
            await world.submit(f"Build Droplet{number} for things", idempotency_key=key, body_digest=key)
        except Unavailable:
            continue
        taken += 1
    return taken


async def done(world: World) -> int:
    return sum(build.state in FINISHED for build in (await world.store.builds.page(limit=100)).builds)


async def full(world: World, directory: Path, heard: Heard) -> dict[str, object]:
    """Fill the disk while builds run, look, free it, and wait for them."""
    await submitted(world, BUILDS)
    before = -1
    while before != len(heard.events):  # until nothing moves any more
        before = len(heard.events)
        await asyncio.sleep(2.5)
    stuck = {"finished": await done(world), "unsaid": len(heard.events - stored(directory))}
    (directory / "ballast").unlink()
    return {"stuck": stuck}


async def faults(world: World, chance: random.Random) -> int:
    """Writes beyond the first page of any file fail and succeed by turns; how many were seen to fail."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    refused = 0
    for turn in range(120):
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        try:
            await world.store.database.write(
                lambda c, at=turn: c.execute("INSERT OR REPLACE INTO heartbeat VALUES (1, ?)", (at,)) and None
            )
        except Unavailable:
            refused += 1
        await asyncio.sleep(chance.random() * 0.03)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await asyncio.sleep(chance.random() * 0.03)
    return refused


async def without_gaps(world: World, build: Build) -> bool:
    events = await world.store.builds.events(build.id, 0, 1000)
    return [event.seq for event in events] == list(range(1, build.last_seq + 1))


async def main(kind: str, directory: Path, seed: int) -> None:
    if kind == "full":
        (directory / "ballast").write_bytes(os.urandom(1_800_000))
    async with running_world(directory) as world:
        heard = Heard(world)
        listening = asyncio.create_task(heard.listen())
        world.steps[4].script = large
        told: dict[str, object] = {}
        if kind == "full":
            told = await full(world, directory, heard)
        else:
            told["refused"] = (
                await asyncio.gather(faults(world, random.Random(seed)), submitted(world, BUILDS))
            )[0]
        while await submitted(world, BUILDS) < BUILDS or await done(world) < BUILDS:
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.2)
        listening.cancel()
        pages = (await world.store.builds.page(limit=100)).builds
        whole = all([await without_gaps(world, build) for build in pages])
        told |= {"states": sorted(build.state.value for build in pages), "whole": whole}
        told["unsaid"] = len(heard.events - stored(directory))
    print(json.dumps(told))


if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    words = sys.argv[1:]
    asyncio.run(main(words[0], Path(words[1]), int(words[2]) if len(words) > 2 else 0))
