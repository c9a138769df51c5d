"""Design rule 3: writes are unbroken by cancellation."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from pathlib import Path

import pytest

from executor.store.database import Database
from tests.patience import PATIENCE


@pytest.mark.parametrize("seed", range(5))
async def test_callers_cancelled_at_random_break_no_write_and_see_their_own_end(tmp_path: Path, seed: int):
    chance = random.Random(seed)
    database = await Database.open(tmp_path / "executor.db")
    committed: list[int] = []
    ended: list[int] = []

    async def write(number: int) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO droplets (id, name, updated_at) VALUES (?, ?, 0)", (number, str(number))
            )

        try:
            await database.write(work, lambda: committed.append(number))
        finally:
            assert number in committed
            ended.append(number)

    tasks = [asyncio.create_task(write(number)) for number in range(300)]
    for task in tasks:
        if chance.random() < 0.5:
            await asyncio.sleep(0)
        if chance.random() < 0.6:
            asyncio.get_running_loop().call_later(chance.uniform(0, 0.01), task.cancel)
            asyncio.get_running_loop().call_later(chance.uniform(0, 0.01), task.cancel)
    async with asyncio.timeout(PATIENCE):
        results = await asyncio.gather(*tasks, return_exceptions=True)
        # A task that was cancelled before its first step never asked for a write.
        asked = {n for n, r in enumerate(results) if n in ended}
        rows = await database.fetch("SELECT id FROM droplets")
    await database.close()
    assert {row["id"] for row in rows} == asked == set(committed)
    assert any(isinstance(result, asyncio.CancelledError) for result in results)
