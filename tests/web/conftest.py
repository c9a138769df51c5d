"""The real application behind a real uvicorn on loopback, around the real engine with scripted steps."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
import uvicorn
from starlette.applications import Starlette

from executor.domain.build import Build
from executor.engine.requests import SubmitRequest
from executor.settings_tables import Settings
from executor.web.api import Api
from executor.web.app import create_app
from executor.web.doorway import Doorway
from executor.web.listener import CheckedConnection, FrameConnection
from tests.engine.conftest import World, running_world
from tests.patience import PATIENCE

SUBMIT = "/executor/build-droplet"


@dataclass
class Site:
    """A served application and a client that speaks to it."""

    world: World
    api: Api
    app: Starlette
    url: str
    client: aiohttp.ClientSession
    server: uvicorn.Server

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, Any, Any]:
        """Status, JSON body (or text) and headers of one request."""
        async with self.client.request(method, self.url + path, **more) as reply:
            is_json = "json" in reply.headers.get("content-type", "")
            return reply.status, await (reply.json() if is_json else reply.text()), reply.headers

    async def get(self, path: str, **more: Any) -> tuple[int, Any, Any]:
        return await self.call("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> tuple[int, Any, Any]:
        return await self.call("POST", path, json=body, **more)

    async def started(self, **more: Any) -> str:
        """Submit an intent; returns the build's id."""
        body = {"architect_intent": "Build Coordinator Droplet to route work", **more}
        status, reply, _ = await self.post(SUBMIT, body)
        assert status == 202, reply
        return str(reply["build_id"])

    async def finished(self, **more: Any) -> Build:
        return await self.world.until(await self.started(**more))


Serving = Callable[..., AbstractAsyncContextManager[Site]]


@asynccontextmanager
async def serving(directory: Path, **tables: Any) -> AsyncIterator[Site]:
    """Serve an application over a state directory; `tables` are those of executor.toml.

    `api` changes what the routes use, a mapping or made of the world; `world` are the world's options, and
    `door` is what may come in.
    """
    changes: Any = tables.pop("api", {})
    door: Doorway = tables.pop("door", None) or Doorway()
    async with running_world(directory, **tables.pop("world", {})) as world:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        url = f"http://localhost:{listener.getsockname()[1]}"
        api = Api(
            commands=world.commands,
            submit_request=SubmitRequest,
            store=world.store,
            bus=world.bus,
            live=world.live,
            settings=Settings.model_validate(tables),
            base_url=url,
            version="0.1.0",
            started_at=time.time(),
        )
        api = replace(api, **(changes(world) if callable(changes) else changes))
        world.live.counts = world.scheduler.counts
        app = create_app(api)
        config = uvicorn.Config(
            app, http=partial(CheckedConnection, doorway=door), ws=FrameConnection, log_config=None,
            access_log=False, lifespan="off", timeout_graceful_shutdown=2,
        )  # fmt: skip
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve([listener]))
        async with asyncio.timeout(PATIENCE):
            while not server.started:
                await asyncio.sleep(0.01)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as client:
            try:
                yield Site(world, api, app, url, client, server)
            finally:
                world.live.draining = True
                api.watchers.nudge()
                server.should_exit = True
                await task


@pytest.fixture(autouse=True)
def faults() -> Iterator[list[Any]]:
    """Collects what was logged as an error; a test that expects one takes it out of the list."""
    found: list[Any] = []

    def collect(_: Any, __: str, event: Any) -> Any:
        if event.get("log_level") == "error":
            found.append({**event, "exc_info": sys.exc_info()[1]})
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[structlog.processors.add_log_level, collect])
    yield found
    structlog.configure(**before)
    assert not found


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path) as running:
        yield running


@pytest.fixture
def serve(tmp_path: Path) -> Serving:
    return lambda **tables: serving(tmp_path, **tables)
