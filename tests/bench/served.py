"""A whole daemon whose builds wait: served as `fpai serve` does, in a world that keeps silent.

COUNT builds of the state directory stand in step 6; it answers once all of them wait for their target's lock,
which they never get, and the daemon is ready to be asked. `tests.bench.start_served` is its command line.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import uvicorn
import uvloop
from starlette.applications import Starlette

from executor import __version__
from executor.app import server_config
from executor.assembly import Daemon, assembled
from executor.collector import collect_for_long_lives
from executor.domain.findings import VerifierReport
from executor.engine.requests import SubmitRequest
from executor.errors import Permanent
from executor.outside import Outside
from executor.sandbox.places import Places
from executor.sandbox.refusing import RefusingSandbox
from executor.settings import Configuration, Secrets
from executor.settings_tables import Settings
from executor.targets.choice import OneTarget
from executor.targets.process import ProcessTarget
from executor.web.api import Api
from executor.web.app import create_app
from executor.web.doorway import Doorway
from tests.bench.harness import many_files, prove_durable, quiet


class BusyTarget(ProcessTarget):
    """Its lock is somebody else's for ever."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.asked = asyncio.Event()
        if not count:
            self.asked.set()

    @asynccontextmanager
    async def held(self, droplet: str, build_id: str) -> AsyncIterator[None]:
        """Never; notes when the last build asks."""
        self._left -= 1
        if not self._left:
            self.asked.set()
        await asyncio.Event().wait()
        yield

    async def aclose(self) -> None:
        """Nothing is open."""


class SilentVerifier:
    """Never comes to a verdict."""

    async def verify(self, **asked: object) -> VerifierReport:
        """Wait for ever."""
        await asyncio.Event().wait()
        raise AssertionError(asked)


def serve(state_dir: Path, port: int, count: int) -> None:
    """Serve until killed."""
    quiet()
    many_files()
    collect_for_long_lives()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(state_dir, port, count))


async def _serve(state_dir: Path, port: int, count: int) -> None:
    settings = Settings.model_validate(
        {"server": {"port": port}, "builds": {"max_concurrent": max(count, 1), "max_queued": 1_000_000}}
    )
    configuration = Configuration(settings, Secrets({}), None, state_dir)
    target = BusyTarget(count)

    async def outside(_: aiohttp.ClientSession) -> Outside:
        places = Places.of(state_dir, base=state_dir / "places")
        silent = RefusingSandbox(Permanent("Nothing is run here."))
        return Outside(places, silent, SilentVerifier(), OneTarget(target), registry=None)

    async with assembled(configuration, str, outside) as daemon:
        server = uvicorn.Server(served_config(create_app(_api(configuration, daemon)), port))
        serving = asyncio.create_task(server.serve())
        await target.asked.wait()
        await daemon.store.database.write(prove_durable)
        while not server.started:
            await asyncio.sleep(0.001)
        print(json.dumps({"at": time.monotonic()}), flush=True)
        await serving


def _api(configuration: Configuration, daemon: Daemon) -> Api:
    return Api(
        commands=daemon.commands,
        submit_request=SubmitRequest,
        store=daemon.store,
        bus=daemon.bus,
        live=daemon.live,
        settings=configuration.settings,
        base_url=configuration.base_url,
        version=__version__,
        started_at=time.time(),
    )


def served_config(app: Starlette, port: int) -> uvicorn.Config:
    """uvicorn as the daemon sets it up."""
    config = server_config(app, Doorway())
    config.port = port
    return config
