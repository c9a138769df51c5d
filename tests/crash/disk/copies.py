"""Backups that are taken, and a damaged database that one of them replaces, for the recorder.

`python -m tests.crash.disk.copies taken DIR` takes some; `... restored DIR` starts on a damaged database.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from executor.store.store import Store
from tests.crash.disk.recorder import acknowledge

KEPT, TAKEN, DROPLETS = 2, 5, 200
_ADD = "INSERT INTO droplets (id, name, updated_at) VALUES (?, ?, 0)"
_HOUR, _SOME_DAY = 3600.0, 1_800_000_000.0


def told(**what: object) -> None:
    """Acknowledge it in the recorder's log, if there is one."""
    if log := os.environ.get("FPAI_RECORD_LOG"):
        acknowledge(Path(log), json.dumps(what))


async def add(store: Store, first: int, count: int) -> None:
    rows = [(number, f"droplet-{number}-{'x' * 200}") for number in range(first, first + count)]
    await store.database.write(lambda c: c.executemany(_ADD, rows) and None)


async def taken(directory: Path) -> None:
    """Take one backup after the other; the older ones go."""
    store = await Store.open(directory, keep_backups=KEPT)
    for turn in range(TAKEN):
        await add(store, 1 + turn * DROPLETS, DROPLETS)
        copy = await asyncio.to_thread(store.backups.take, _SOME_DAY + turn * _HOUR)
        assert copy is not None
        told(backup=copy.name)
    await store.close()


async def restored(directory: Path) -> None:
    """Start on a damaged database that has a backup, and store something more."""
    store = await Store.open(directory)
    assert store.rescue is not None
    await add(store, 5000, 1)
    told(droplet=5000)
    await store.close()


if __name__ == "__main__":
    asyncio.run({"taken": taken, "restored": restored}[sys.argv[1]](Path(sys.argv[2])))
