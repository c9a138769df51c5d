"""DBOS on SQLite, WAL with synchronous=FULL; run by the environment of the peers.

`python -m tests.bench.peer_dbos DIR SIZE POOL`: POOL 1 gives it one connection, 0 what it takes by itself.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import pysqlite3

sys.modules["sqlite3"] = pysqlite3  # the system's SQLite may be older than DBOS can use
sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2

from dbos import DBOS, DBOSConfig  # noqa: E402
from sqlalchemy import event  # noqa: E402
from sqlalchemy.engine import Engine  # noqa: E402

STEPS = 8
LEVELS: set[tuple[str, int]] = set()


@event.listens_for(Engine, "connect")
def _durable(connection: Any, _: object) -> None:
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    connection.execute("PRAGMA synchronous=FULL")
    LEVELS.add((mode, connection.execute("PRAGMA synchronous").fetchone()[0]))


@DBOS.step()
async def step(done: int) -> int:
    """A trivial step."""
    return done + 1


@DBOS.workflow()
async def workflow() -> int:
    """Eight steps in a row."""
    done = 0
    for _ in range(STEPS):
        done = await step(done)
    return done


async def main(size: int) -> float:
    """Run `size` workflows at once; returns steps a second."""
    started = time.perf_counter()
    handles = [await DBOS.start_workflow_async(workflow) for _ in range(size)]
    for handle in handles:
        assert await handle.get_result() == STEPS
    return size * STEPS / (time.perf_counter() - started)


if __name__ == "__main__":
    directory, workflows, pool = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": f"sqlite:///{directory / 'dbos.db'}",
        "run_admin_server": False,
        "log_level": "ERROR",
    }
    if pool:
        config["sys_db_pool_size"] = pool
    DBOS(config=config)
    DBOS.launch()
    rate = asyncio.run(main(workflows))
    assert {("wal", 2)} == LEVELS, LEVELS
    print(json.dumps({"steps_per_second": rate}), flush=True)
    DBOS.destroy()
