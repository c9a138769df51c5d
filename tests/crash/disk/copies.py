"""A store that is written, copied or restored, for the recorder; it notes there what it was told is stored.

`python -m tests.crash.disk.copies added DIR` stores and is killed, `beaten` the same with very little,
`taken` takes backups, `restored` starts on a damaged database.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from executor.errors import Unavailable
from executor.store.store import Store
from tests.crash.disk.recorder import Operation, acknowledge, operations, preload

ROOT = Path(__file__).parents[3]

KEPT, TAKEN, DROPLETS = 2, 5, 200
_ADD = "INSERT INTO droplets (id, name, updated_at) VALUES (?, ?, 0)"
_BEAT = "INSERT OR REPLACE INTO heartbeat VALUES (1, ?)"
PAD = "x" * 200
_HOUR, _SOME_DAY = 3600.0, 1_800_000_000.0


def done(what: str, recorder: Path, directory: Path, **more: str) -> list[Operation]:
    """What a process that does this, in an environment with `more`, does to the disk."""
    log = recorder.with_name("disk.log")
    log.unlink(missing_ok=True)
    env = {**os.environ, **preload(recorder, directory, log, **more)}
    argv = [sys.executable, "-m", "tests.crash.disk.copies", what, str(directory)]
    subprocess.run(argv, cwd=ROOT, env=env, check=True, timeout=60)
    return operations(log, directory)


def told(**what: object) -> None:
    """Acknowledge it in the recorder's log, if there is one."""
    if log := os.environ.get("FPAI_RECORD_LOG"):
        acknowledge(Path(log), json.dumps(what))


async def add(store: Store, first: int, count: int) -> None:
    rows = [(number, f"droplet-{number}{PAD}") for number in range(first, first + count)]
    await store.database.write(lambda c: c.executemany(_ADD, rows) and None)


async def added(directory: Path) -> None:
    """Store something, twice, on a disk that may refuse; then vanish."""
    with suppress(Unavailable):
        store = await Store.open(directory)
        for number in (7001, 7002):
            await add(store, number, 1)
            told(droplet=number)
    os._exit(0)


async def taken(directory: Path) -> None:
    """Take one backup after the other; the older ones go."""
    store = await Store.open(directory, keep_backups=KEPT)
    for turn in range(TAKEN):
        await add(store, 1 + turn * DROPLETS, DROPLETS)
        copy = await asyncio.to_thread(store.backups.take, _SOME_DAY + turn * _HOUR)
        assert copy is not None
        told(backup=copy.name)
    await store.close()


async def written(directory: Path) -> None:
    """Store much that no backup holds."""
    store = await Store.open(directory)
    await add(store, 8001, 500)
    await store.database.write(lambda c: c.execute(_BEAT, (1,)) and None)
    await store.close()


async def beaten(directory: Path) -> None:
    """Leave a log that holds one small page of the database, and never its first; then vanish."""
    store = await Store.open(directory)
    await store.database.write(lambda c: c.execute(_BEAT, (2,)) and None)
    os._exit(0)


async def restored(directory: Path) -> None:
    """Start on a damaged database that has a backup, store something more, and vanish."""
    store = await Store.open(directory)
    assert store.rescue is not None
    for number in range(5000, 5010):
        await add(store, number, 1)
        told(droplet=number)
    os._exit(0)


if __name__ == "__main__":
    run = {"added": added, "beaten": beaten, "taken": taken, "restored": restored}[sys.argv[1]]
    try:
        asyncio.run(run(Path(sys.argv[2])))
    except BaseException:
        traceback.print_exc()
        os._exit(1)  # the database's thread would keep the process from ending
