"""Servers that tell watchers of an event: our own stack, and raw transports as its floor.

`python -m tests.bench.watched DIR PORT ours|raw`. A line on stdin makes one event. The answer is the instant
of its commit on the clock that all processes share, and for `ours` the first line is the path to watch.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import uvicorn
import uvloop

from executor.domain.build import Build
from executor.domain.outcome import Done, Outcome
from executor.domain.step import StepContext
from executor.engine.requests import SubmitRequest
from executor.settings_tables import Settings
from executor.web.api import Api
from executor.web.app import create_app
from tests.bench.harness import many_files, quiet
from tests.bench.served import served_config
from tests.engine.conftest import World, running_world

_FACTS = {"tests_passing": 31, "tests_failing": 0, "note": "x" * 200}


class _Teller:
    """A step that records an event each time it is told to."""

    number = 1

    def __init__(self) -> None:
        self.told: asyncio.Queue[None] = asyncio.Queue()

    async def run(self, context: StepContext) -> Outcome:
        """Never ends by itself."""
        while True:
            await self.told.get()
            await context.record("progress_made", "Something was made.", _FACTS)
        return Done("")


class _Stamping:
    """Stands before the scheduler, which hears of every commit first, and says when that was."""

    def __init__(self, world: World) -> None:
        self._scheduler = world.scheduler

    def note(self, build: Build) -> None:
        """A commit has just returned."""
        print(json.dumps({"at": time.monotonic()}), flush=True)
        self._scheduler.note(build)

    def __getattr__(self, name: str) -> object:
        return getattr(self._scheduler, name)


async def ours(state_dir: Path, port: int) -> None:
    """The real store, engine, bus and web application."""
    async with running_world(state_dir) as world:
        teller = _Teller()
        world.steps[1] = teller  # type: ignore[assignment]
        build = await world.submit()
        await asyncio.sleep(0.2)  # its first step has begun, and that event is behind us
        api = Api(
            commands=world.commands, submit_request=SubmitRequest, store=world.store, bus=world.bus,
            live=world.live, settings=_unhurried(), base_url=f"http://localhost:{port}", version="0",
            started_at=time.time(),
        )  # fmt: skip
        server = uvicorn.Server(served_config(create_app(api), port))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        print(json.dumps({"path": f"/executor/builds/{build.id}/stream?after=1000"}), flush=True)
        world.scheduler = _Stamping(world)  # type: ignore[assignment]
        async for _ in await _lines():
            teller.told.put_nowait(None)
        serving.cancel()


async def raw(port: int) -> None:
    """No HTTP, no framing library, no tasks: one write of the same bytes to every transport."""
    transports: list[asyncio.Transport] = []

    class Watcher(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transports.append(transport)  # type: ignore[arg-type]
            transports[-1].write(b"HTTP/1.1 101 \r\n\r\n")

    loop = asyncio.get_running_loop()
    await loop.create_server(Watcher, "127.0.0.1", port, backlog=2048)
    print(json.dumps({"path": "/"}), flush=True)
    async for _ in await _lines():
        at = time.monotonic()
        frame = b"\x81\x7e" + json.dumps({"event_type": "progress_made", "data": _FACTS}).encode()
        for transport in transports:
            transport.write(frame)
        print(json.dumps({"at": at}), flush=True)


def _unhurried() -> Settings:
    """No progress ticks between the events that are measured."""
    return Settings.model_validate({"builds": {"progress_interval": 3600}})


async def _lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


if __name__ == "__main__":
    quiet()
    many_files()
    directory, number, side = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ours(directory, number) if side == "ours" else raw(number))
