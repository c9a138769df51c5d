"""What outlives a daemon that dies in a deploy: a host reached over SSH, two engines, a core Registry."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import threading
import urllib.request
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.fakes.docker_engine import FakeEngine
from tests.fakes.host import fake_host, processes_with
from tests.fakes.registry import FakeRegistry

EDGE = "fake/edge:1"
_ONCE = {"build", "load", "run", "network"}


class DeployWorld:
    """A context manager; everything is served from a thread of its own, below the directory `where`."""

    def __init__(self, where: Path) -> None:
        self._where = where
        self._low_port = random.randrange(20000, 30000, 20)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stack = AsyncExitStack()

    def __enter__(self) -> DeployWorld:
        self._thread.start()
        self._do(self._open())
        self._kept = {"empty": self._taken()}
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self.host.settled())
        self._do(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def path(self) -> str:
        """The PATH of the daemon's machine: its `docker` is the builder's."""
        return f"{self.builder.bin}:{os.environ['PATH']}"

    @property
    def settings(self) -> dict[str, Any]:
        """The daemon's configuration."""
        ssh, port = self.host.ssh, self.host.wire.port
        box = {"address": "127.0.0.1", "port": port, "user": ssh.user, "key": str(ssh.key),
               "known_hosts": str(ssh.known_hosts)}  # fmt: skip
        ports = (self._low_port, self._low_port + 19)
        deploy = {"target": "docker", "host": "box", "hosts": {"box": box}, "edge": EDGE, "probes": 1,
                  "timeout": 20, "port_range": ports}  # fmt: skip
        return {"registry": {"url": self.registry.url}, "deploy": deploy}

    def breaks(self, *, broken: bool) -> None:
        """Every release that is started from now on ends at once, or is well."""
        self.host.engine.behaviours = {"": "exits"} if broken else {}

    def at_rest(self) -> None:
        """Return when no command that a dead daemon had begun runs any more, here or on the host."""
        self._do(self._settled())

    def builder_at_rest(self) -> None:
        """As above, on this machine alone: its commands die with the daemon's service, the host's do not."""
        self._do(self._builder_settled())

    def keep(self, name: str) -> None:
        """Remember all of it under a name."""
        self.at_rest()
        shutil.copytree(self.host.home, self._where / f"home-{name}", symlinks=True)
        self._kept[name] = self._taken()

    def back_to(self, name: str) -> None:
        """Be as it was then."""
        self.at_rest()
        self._do(self._restored(name))

    def summary(self) -> dict[str, Any]:
        """Everything that has to be the same with and without kills."""
        self.at_rest()
        host, builder, home = self.host.engine, self.builder, self.host.home
        containers = sorted((c.name, c.image_id, c.status, c.restart) for c in host.containers.values())
        acts = Counter([act for act in host.acts if act.split()[0] in _ONCE])
        acts.update(act for act in builder.acts if act.split()[0] == "build")
        return {
            "containers": containers,
            "edges": {c.name: c.served() for c in host.containers.values() if c.is_edge},
            "answers": [_released(c.publish[0]) for c in host.containers.values() if c.is_edge],
            "images": [
                sorted((i.id, *sorted(i.tags)) for i in e.images.kept.values()) for e in (host, builder)
            ],
            "networks": sorted(host.networks),
            "files": sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()),
            "acts": dict(acts),
            "registered": sorted((d["id"], d["name"]) for d in self.registry.droplets.values()),
            "posts": self.registry.writes.count(("POST", "/droplets")),
        }

    def _taken(self) -> dict[str, Any]:
        registry = self.registry
        return {
            "host": self.host.engine.state(),
            "builder": self.builder.state(),
            "droplets": dict(registry.droplets),
            "requests": list(registry.requests),
            "headers": list(registry.headers),
        }

    async def _restored(self, name: str) -> None:
        kept = self._kept[name]
        self.host.engine.behaviours = {}
        home = self._where / f"home-{name}"
        for path in self.host.home.iterdir():
            shutil.rmtree(path)
        if home.exists():
            shutil.copytree(home, self.host.home, symlinks=True, dirs_exist_ok=True)
        await self.host.engine.restore(kept["host"])
        await self.builder.restore(kept["builder"])
        self.registry.droplets.clear()
        self.registry.droplets.update(kept["droplets"])
        self.registry.requests[:] = kept["requests"]
        self.registry.headers[:] = kept["headers"]

    async def _settled(self) -> None:
        await self._builder_settled()
        async with asyncio.timeout(60):
            await self.host.settled()

    async def _builder_settled(self) -> None:
        async with asyncio.timeout(60):
            while not self.builder.idle or processes_with(self.builder.bin):
                await asyncio.sleep(0.01)

    async def _open(self) -> None:
        (self._where / "host").mkdir()
        self.host = await self._stack.enter_async_context(fake_host(self._where / "host"))
        self.builder = await self._stack.enter_async_context(FakeEngine(self._where / "builder"))
        self.registry = await self._stack.enter_async_context(FakeRegistry())
        for base in ("python:3.11-slim", "python:3.12-slim"):
            self.builder.images.add(base, layers=3)
        self.builder.images.add(EDGE)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)


def _released(published: str) -> str:
    """The release that answers people there."""
    address, port, _ = published.split(":")
    with urllib.request.urlopen(f"http://{address}:{port}/health", timeout=5) as answer:
        return json.load(answer)["release"]
