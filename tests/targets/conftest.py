"""A tiny droplet, a real venv, real walls."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from executor.adapters.docker import Docker
from executor.sandbox.cgroups import Cgroups
from executor.sandbox.ownership import remove_tree_now
from executor.sandbox.places import Places
from executor.sandbox.venv import VenvCache, find_uv
from executor.targets.base import Release
from executor.targets.image import Images
from executor.targets.launch import Bounds
from executor.targets.process import ProcessTarget
from executor.targets.record import holder
from executor.targets.session import SessionLauncher
from executor.targets.swarm import SwarmTarget
from tests.fakes.service_swarm import FakeSwarm
from tests.targets.swarm_releases import EDGE, image_of

GOOD = """
import json, os

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = {"status": "healthy", "release": os.environ["RELEASE_ID"]}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
"""


@dataclass
class Droplets:
    """Makes releases out of the text of their app/main.py."""

    directory: Path
    droplet_id: int = 21
    made: list[Release] = field(default_factory=list)

    def release(self, release_id: str, main: str = GOOD, **env: str) -> Release:
        source = self.directory / release_id
        (source / "app").mkdir(parents=True)
        (source / "app" / "__init__.py").touch()
        (source / "app" / "main.py").write_text(main)
        requirements = source / "requirements.txt"
        requirements.write_text("uvicorn==0.54.0\n")
        self.made.append(
            Release(
                release_id, "build-21", self.droplet_id, "notes", "0.1.0", "abc123", source, requirements, env
            )
        )
        return self.made[-1]


@pytest.fixture
def droplets(tmp_path: Path) -> Droplets:
    """Releases of one droplet."""
    return Droplets(tmp_path / "sources")


@pytest.fixture(scope="session")
def resolver_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One wheel cache for all tests: each has its own venvs, none downloads twice."""
    return tmp_path_factory.mktemp("uv")


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    """Places of a state directory that nobody else has; whatever runs in them is ended."""
    made = Places.of(tmp_path / "state")
    yield made
    for note in made.root.glob("releases/*/*/run.json"):
        if (pid := holder(note.parent)) is not None:
            os.kill(pid, signal.SIGKILL)
    for root in {made.root, made.sockets}:
        if root.exists():
            remove_tree_now(root)


@pytest.fixture(scope="session")
def shared_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """Places for what all tests may share: the venv."""
    made = Places.of(tmp_path_factory.mktemp("shared") / "state")
    yield made
    remove_tree_now(made.root)


@pytest.fixture
def venvs(shared_places: Places, resolver_cache: Path) -> VenvCache:
    """A real venv cache whose one venv is made once for all tests."""
    return VenvCache(shared_places, find_uv(), environ={**os.environ, "UV_CACHE_DIR": str(resolver_cache)})


MakeTarget = Callable[..., ProcessTarget]


@pytest.fixture
async def make_target(places: Places, venvs: VenvCache, unused_tcp_port: int) -> AsyncIterator[MakeTarget]:
    """Makes targets on ports of their own; stops every release that they know at the end."""
    groups = Cgroups.discover()
    launcher = SessionLauncher(places, groups, grace=2.0)

    def make(**options: object) -> ProcessTarget:
        settings: dict[str, object] = {
            "port_range": (unused_tcp_port, min(unused_tcp_port + 20, 65535)),
            "deadline": 30.0,
            "bounds": Bounds(grace=2.0),
            **options,
        }
        return ProcessTarget(places, venvs, launcher, **settings)  # type: ignore[arg-type]

    yield make
    for note in list(places.root.glob("releases/*/*")):
        await launcher.stop(note, note.name)


@pytest.fixture
def target(make_target: MakeTarget) -> ProcessTarget:
    """A process target with its ordinary bounds."""
    return make_target()


@pytest.fixture
async def swarm(tmp_path: Path) -> AsyncIterator[FakeSwarm]:
    """A swarm of two machines that hold the images of three releases."""
    fake = FakeSwarm(tmp_path, ["alpha", "beta"])
    fake.keeps(EDGE, {}, tag="edge:1")
    for name in ("r1", "r2", "r3"):
        fake.keeps(image_of(name), {"fpai.release": name, "fpai.droplet": "notes"})
    async with fake.open():
        yield fake


@pytest.fixture
def make_swarm_target(swarm: FakeSwarm, tmp_path: Path) -> Callable[..., SwarmTarget]:
    """Makes targets on that swarm."""

    def made(owner: str = "executor-12-aa", **more) -> SwarmTarget:
        machines = list(swarm.machines.values())
        options = {
            "edge_image": "edge:1",
            "replicas": 2,
            "port_range": (18500, 18510),
            "probes": 2,
            "deadline": 2.0,
            "pause": 0.01,
        }
        return SwarmTarget(
            machines[0],
            machines,
            Images(Docker(machines[0]), tmp_path / "images"),
            owner=owner,
            **(options | more),
        )

    return made
