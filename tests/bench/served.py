"""A whole daemon whose builds wait: served as `fpai serve` does, in a world that keeps silent.

`python -m tests.bench.served DIR PORT COUNT`: COUNT builds of the state directory stand in step 7; it answers
once all of them have called the registry, which never replies, and the daemon is ready to be asked.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import aiohttp
import uvicorn
import uvloop
from starlette.applications import Starlette

from executor import __version__
from executor.adapters.registry_entry import KnownDroplet, Load, Registered, RegistryEntry, Ways
from executor.app import server_config
from executor.assembly import Daemon, assembled
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import VerifierReport
from executor.engine.requests import SubmitRequest
from executor.errors import Permanent
from executor.outside import Outside
from executor.sandbox.places import Places
from executor.sandbox.refusing import RefusingSandbox
from executor.settings import Configuration, Secrets
from executor.settings_tables import Settings
from executor.steps.verify import Notify
from executor.targets.choice import OneTarget
from executor.targets.process import ProcessTarget
from executor.web.api import Api
from executor.web.app import create_app
from executor.web.doorway import Doorway
from tests.bench.harness import many_files, prove_durable, quiet


class SilentRegistry:
    """Takes registrations and never answers them."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.reached = asyncio.Event()
        if not count:
            self.reached.set()

    @property
    def ways(self) -> Ways:
        """It is called silent."""
        return Ways("the silent Registry", "http://127.0.0.1")

    async def known(self) -> list[KnownDroplet]:
        """Nothing is known."""
        return []

    async def register(self, entry: RegistryEntry) -> Registered:
        """Wait for ever."""
        self._left -= 1
        if not self._left:
            self.reached.set()
        await asyncio.Event().wait()
        raise AssertionError(entry)

    async def deregister(self, droplet_id: int, name: str) -> bool:
        """Nothing is there to remove."""
        return False

    def stands(self, found: KnownDroplet, entry: RegistryEntry) -> bool:
        """Nothing ever does."""
        return False

    async def set_status(self, droplet_id: int, name: str, status: str) -> None:
        """Nothing is there to change."""

    async def heartbeat(self, found: KnownDroplet, load: Load) -> bool:
        """Nothing is there to live."""
        return False


class SilentVerifier:
    """Never comes to a verdict."""

    async def verify(
        self, *, source: Path, commit: str, identity: DropletIdentity, notify: Notify
    ) -> VerifierReport:
        """Wait for ever."""
        await asyncio.Event().wait()
        raise AssertionError(source, commit, identity, notify)


async def main(state_dir: Path, port: int, count: int) -> None:
    """Serve until killed."""
    settings = Settings.model_validate(
        {"server": {"port": port}, "builds": {"max_concurrent": max(count, 1), "max_queued": 1_000_000}}
    )
    configuration = Configuration(settings, Secrets({}), None, state_dir)
    registry = SilentRegistry(count)

    async def outside(_: aiohttp.ClientSession) -> Outside:
        places = Places.of(state_dir, base=state_dir / "places")
        silent = RefusingSandbox(Permanent("Nothing is run here."))
        return Outside(places, silent, SilentVerifier(), OneTarget(_NoTarget()), registry)

    async with assembled(configuration, str, outside) as daemon:
        server = uvicorn.Server(served_config(create_app(_api(configuration, daemon)), port))
        serving = asyncio.create_task(server.serve())
        await registry.reached.wait()
        await daemon.store.database.write(prove_durable)
        while not server.started:
            await asyncio.sleep(0.001)
        print(json.dumps({"at": time.monotonic()}), flush=True)
        await serving


class _NoTarget(ProcessTarget):
    """No release lives here; no build of these measurements comes as far as asking."""

    def __init__(self) -> None:
        pass


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


if __name__ == "__main__":
    quiet()
    many_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
