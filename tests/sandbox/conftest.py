"""Real places and real walls for the tests of the sandbox."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from executor.sandbox.base import Bind, Limits, SandboxCommand
from executor.sandbox.bubblewrap import BubblewrapSandbox
from executor.sandbox.cgroups import Cgroups
from executor.sandbox.ownership import remove_tree_now
from executor.sandbox.places import Places


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
