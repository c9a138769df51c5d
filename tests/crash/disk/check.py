"""Whether a directory that a power cut left is sound, and holds everything that was acknowledged before."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from executor.store.backups import Backups, problem_of
from executor.store.database import Database
from executor.store.rescue import DamagedDatabase, rescued
from tests.crash.disk.copies import PAD
from tests.crash.disk.power import Disk, moments
from tests.crash.disk.recorder import Operation

DATABASE = "executor.db"
_WHOLE = "SELECT count(*) AS whole FROM droplets WHERE id <= ?2 AND name = 'droplet-' || id || ?1"
_SHARED_MEMORY = Path("/dev/shm")


@contextmanager
def laid_out(files: Mapping[str, bytes]) -> Iterator[Path]:
    """A directory with these files, in memory where that is possible."""
    root = Path(
        tempfile.mkdtemp(prefix="fpai-crash-", dir=_SHARED_MEMORY if _SHARED_MEMORY.is_dir() else None)
    )
    try:
        for name, content in files.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_bytes(content)
        yield root
    finally:
        shutil.rmtree(root)


def fault_of(root: Path, acknowledged: Sequence[str], *, whole: bool) -> str:
    """What the next start would find wrong; empty when nothing is. `whole` opens it as the daemon does."""
    path = root / DATABASE
    try:
        rescue = rescued(path, Backups(path, 6), 0.0)
    except DamagedDatabase as error:
        return f"refused: {error.message}"
    if rescue is not None:
        return f"corrupt: {rescue.problem}"
    if whole:
        asyncio.run(_opened(path))
    elif not path.exists():
        return f"lost: {acknowledged[0]}" if acknowledged else ""
    with closing(sqlite3.connect(path)) as database:
        return next((f"lost: {one}" for one in acknowledged if not _holds(database, json.loads(one))), "")


def faults(done: Sequence[Operation], states: int) -> list[str]:
    """What is wrong with the states that power cuts during these operations may leave."""
    found = []
    for seed, disk in moments(done, states, Disk()):
        with laid_out(disk.crash(random.Random(seed))) as root:
            found.append(fault_of(root, disk.acknowledged, whole=False))
    return [f"crash state {seed}: {fault}" for seed, fault in enumerate(found, 1) if fault]


def fault_of_copies(root: Path, acknowledged: Sequence[str]) -> str:
    """What is wrong with the backups: each that has its name is whole, the last one told of is there."""
    copies = Backups(root / DATABASE, 6).newest_first()
    for copy in copies:
        if problem := problem_of(copy):
            return f"corrupt: {copy.name}: {problem}"
    told = [json.loads(one)["backup"] for one in acknowledged[-1:]]
    return "" if not told or told[0] in {copy.name for copy in copies} else f"lost: {told[0]}"


async def _opened(path: Path) -> None:
    database = await Database.open(path)
    await database.close()


def _holds(database: sqlite3.Connection, told: dict) -> bool:
    if "event" in told:
        sql, values = "SELECT 1 FROM events WHERE build_id = ? AND seq = ?", tuple(told["event"])
    elif "droplet" in told:
        sql, values = "SELECT 1 FROM droplets WHERE id = ?", (told["droplet"],)
    elif "droplets" in told:
        sql, values = f"SELECT 1 FROM ({_WHOLE}) WHERE whole = ?2", (PAD, told["droplets"])
    elif "cancelled" in told:
        sql, values = "SELECT 1 FROM builds WHERE id = ? AND state = 'cancelled'", (told["cancelled"],)
    else:
        sql, values = "SELECT 1 FROM builds WHERE id = ?", (told["submitted"],)
    try:
        return database.execute(sql, values).fetchone() is not None
    except sqlite3.OperationalError:
        return False  # not even the table is there
