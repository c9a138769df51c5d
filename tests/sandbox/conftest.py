"""Real places and real walls for the tests of the sandbox."""

import asyncio
import os
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from executor.sandbox.base import Bind, Limits, Sandbox, SandboxCommand
from executor.sandbox.bubblewrap import BubblewrapSandbox
from executor.sandbox.cgroups import Cgroups
from executor.sandbox.docker import DockerSandbox
from executor.sandbox.ownership import remove_tree_now
from executor.sandbox.places import Places

IMAGE = "python:3.11-slim"


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    """Places of a state directory that nobody else has, removed afterwards."""
    made = Places.of(tmp_path / "state")
    yield made
    for root in {made.root, made.sockets}:
        if root.exists():
            remove_tree_now(root)


@pytest.fixture
async def sandbox(places: Places) -> AsyncIterator[BubblewrapSandbox]:
    """Bubblewrap's walls with whatever limits this machine can hold."""
    yield BubblewrapSandbox(places, Cgroups.discover())
    left = [path.name for path in Path("/sys/fs/cgroup").glob(f"*/fpai-s-{os.getpid()}-*")]
    assert left == [], "a sandbox left its cgroup behind"


def docker_answers() -> str:
    """Why there are no containers here; empty where there are."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    asked = subprocess.run(
        ["docker", "image", "inspect", IMAGE], capture_output=True, text=True, check=False, timeout=20
    )
    return asked.stderr.strip()[-200:] if asked.returncode else ""


@pytest.fixture
async def docker_walls(places: Places) -> AsyncIterator[DockerSandbox]:
    """Docker's walls; skipped, with the reason, where there is no engine or no image."""
    if reason := await asyncio.to_thread(docker_answers):
        pytest.skip(f"no containers here: {reason}")
    made = DockerSandbox(places, IMAGE)
    yield made
    assert await made.sweep() == 0, "a sandbox left its container behind"


@pytest.fixture(params=["bubblewrap", "docker"])
def walls(request: pytest.FixtureRequest) -> Sandbox:
    """Every kind of wall that stands on this machine, one after the other."""
    found: Sandbox = request.getfixturevalue("sandbox" if request.param == "bubblewrap" else "docker_walls")
    return found


@pytest.fixture
def marker() -> str:
    """A word that no other process carries."""
    return f"marker-{uuid.uuid4().hex}"


class Commands:
    """Makes commands that run in one workspace."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace

    def shell(self, script: str, *binds: Bind, limits: Limits | None = None, **env: str) -> SandboxCommand:
        return self.of("/bin/sh", "-c", script, binds=binds, limits=limits, env=env)

    def python(self, script: str, *binds: Bind, limits: Limits | None = None, **env: str) -> SandboxCommand:
        return self.of("/usr/bin/python3", "-I", "-c", script, binds=binds, limits=limits, env=env)

    def of(
        self,
        *argv: str,
        binds: tuple[Bind, ...] = (),
        limits: Limits | None = None,
        env: dict[str, str] | None = None,
    ) -> SandboxCommand:
        own = Bind(self.workspace, "/ws", writable=True)
        return SandboxCommand(argv, (own, *binds), env=env or {}, limits=limits or Limits(wall_seconds=30))


@pytest.fixture
def commands(places: Places) -> Commands:
    """Commands in a workspace of their own."""
    return Commands(places.workspace("build-1"))
