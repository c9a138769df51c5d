"""A start whose Nth write or sync the disk refuses, for every N; prints what came of each.

`python -m tests.crash.disk.starting DIR STEP WRITE_ERRNO` under the shim, which watches DIR/state; every
STEPth N is tried, on a new directory and on one that a kill left.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import shutil
import sys
from dataclasses import asdict, dataclass, field
from errno import EIO
from pathlib import Path

from executor.errors import Unavailable
from executor.store.store import Store
from tests.crash.disk.check import DATABASE, fault_of
from tests.crash.disk.copies import add

_LATER = 9
_NEVER = 1_000_000


@dataclass
class Told:
    """How the starts ended."""

    opened: int = 0
    refused: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


async def after_a_kill(directory: Path, into: Path) -> None:
    """What is on the disk while a database is open, its log unmerged."""
    store = await Store.open(directory)
    await add(store, 1, 5)
    into.mkdir()
    for path in directory.glob(f"{DATABASE}*"):
        if not path.name.endswith("-shm"):
            shutil.copy(path, into)
    await store.close()


async def start(directory: Path) -> list[int]:
    """Open, store a droplet, close; returns the droplets that were told to be stored."""
    store = await Store.open(directory)
    try:
        if store.rescue is not None:
            raise AssertionError(f"a refused write was taken for damage: {store.rescue}")
        await add(store, _LATER, 1)
        return [_LATER]
    except Unavailable:
        return []
    finally:
        await store.close()


async def tried(
    shim: ctypes.CDLL, template: Path, state: Path, nth: int, errors: list[int], told: Told
) -> int:
    """One start; returns how many calls it made."""
    shutil.rmtree(state, ignore_errors=True)
    shutil.copytree(template, state)
    sure = [1, 2, 3, 4, 5] if (template / DATABASE).exists() else []
    shim.fpai_fault(nth, 0, *errors)
    try:
        sure += await start(state)
        told.opened += 1
    except Unavailable as error:
        told.refused.append(error.message)
    finally:
        calls = int(shim.fpai_fault(0, 0, 0, 0))
    wanted = [json.dumps({"droplet": number}) for number in sure]
    fault = await asyncio.to_thread(fault_of, state, wanted, whole=True)
    if fault:
        told.faults.append(f"{template.name}, call {nth}: {fault}")
    return calls


async def main(directory: Path, step: int, write_errno: int) -> None:
    shim, told = ctypes.CDLL(None), Told()
    state, new, killed = directory / "state", directory / "new", directory / "killed"
    new.mkdir()
    state.mkdir()
    await after_a_kill(state, killed)
    for template in (new, killed):
        calls = await tried(shim, template, state, _NEVER, [write_errno, EIO], told)
        for nth in range(1, calls + 1, step):
            await tried(shim, template, state, nth, [write_errno, EIO], told)
    print(json.dumps(asdict(told)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
