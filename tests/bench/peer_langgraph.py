"""LangGraph with AsyncSqliteSaver and durability="sync"; run by the environment of the peers.

`python -m tests.bench.peer_langgraph DIR SIZE [wait]`: with `wait` the fifth of eight nodes waits, and the
answer comes when all graphs stand there, whether they were new or were resumed by their thread ids.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any, TypedDict

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph

STEPS = 8


class State(TypedDict):
    """What a graph carries."""

    done: int


class Waiting:
    """Counts who stands in the waiting node."""

    def __init__(self, size: int) -> None:
        self._left = size

    async def node(self, state: State) -> dict[str, int]:
        """Wait for ever."""
        self._left -= 1
        if not self._left:
            print(json.dumps({"running": True}), flush=True)
        await asyncio.Event().wait()
        return {"done": state["done"]}


async def step(state: State) -> dict[str, int]:
    """A trivial step."""
    return {"done": state["done"] + 1}


def graph(waiting: Waiting | None) -> Any:
    """Eight nodes in a row."""
    builder: Any = StateGraph(State)
    names = [f"step{number}" for number in range(STEPS)]
    for number, name in enumerate(names):
        builder.add_node(name, waiting.node if waiting is not None and number == 4 else step)
    for source, target in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(source, target)
    return builder


async def main(state_dir: Path, size: int, wait: bool) -> None:
    """Run or resume `size` graphs."""
    async with aiosqlite.connect(state_dir / "langgraph.db") as connection:
        saver = AsyncSqliteSaver(connection)
        await saver.setup()
        await connection.execute("PRAGMA synchronous=FULL")
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2)):
            row = await (await connection.execute(f"PRAGMA {pragma}")).fetchone()
            assert row is not None and row[0] == value, (pragma, row)
        app = graph(Waiting(size) if wait else None).compile(checkpointer=saver)

        async def one(number: int) -> None:
            config = {"configurable": {"thread_id": str(number)}}
            known = wait and (await app.aget_state(config)).next
            await app.ainvoke(None if known else {"done": 0}, config, durability="sync")

        started = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(size)))
        print(json.dumps({"steps_per_second": size * STEPS / (time.perf_counter() - started)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] == ["wait"]))
