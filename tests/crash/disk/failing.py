"""A daemon's engine on a disk that refuses every Nth write or sync for a while; prints what came of it.

`python -m tests.crash.disk.failing DIR` under the recorder, with FPAI_FAULT and FPAI_FAULT_WHILE=DIR/failing;
with FPAI_RECORD_LOG each event that is told is acknowledged in the log.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from executor.errors import Unavailable
from tests.crash.disk.recorder import acknowledge
from tests.crash.full_disk import BUILDS, Heard, done, large, stored, submitted, without_gaps
from tests.engine.conftest import World, running_world

_BEATS = 60
_BEAT = "INSERT OR REPLACE INTO heartbeat VALUES (1, ?)"


async def beats(world: World) -> int:
    """Write again and again; how often that was refused."""
    refused = 0
    for turn in range(_BEATS):
        try:
            await world.store.database.write(lambda c, at=turn: c.execute(_BEAT, (at,)) and None)
        except Unavailable:
            refused += 1
        await asyncio.sleep(0.01)
    return refused


def acknowledged(build_id: str, seq: int) -> None:
    """Note it in the recorder's log, if there is one."""
    if log := os.environ.get("FPAI_RECORD_LOG"):
        acknowledge(Path(log), json.dumps({"event": [build_id, seq]}))


async def main(directory: Path) -> None:
    failing = directory / "failing"
    async with running_world(directory) as world:
        heard = Heard(world, acknowledged)
        listening = asyncio.create_task(heard.listen())
        world.steps[4].script = large
        failing.touch()
        refused, _ = await asyncio.gather(beats(world), submitted(world, BUILDS))
        unsaid = len(heard.events - stored(directory))
        failing.unlink()
        while await submitted(world, BUILDS) < BUILDS or await done(world) < BUILDS:
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.2)
        listening.cancel()
        builds = (await world.store.builds.page(limit=100)).builds
        told = {
            "refused": refused,
            "unsaid": unsaid + len(heard.events - stored(directory)),
            "states": sorted(build.state.value for build in builds),
            "whole": all([await without_gaps(world, build) for build in builds]),
        }
    print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
