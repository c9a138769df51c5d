"""Fixtures that bring the test bed's parts up, or skip with the reason why they cannot."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from executor.adapters.ssh import SshMachine

HERE = Path(__file__).parent
EDGE_IMAGE = "fpai-testbed/edge:1"
BASE_IMAGE = "python:3.11-slim"
_PROGRAMS = ("docker", "dockerd", "sshd", "ssh-keygen", "ip", "iptables", "nsenter", "pgrep")
_PATIENCE = 180


def _script(*words: str) -> str:
    """Run one of the bed's scripts; raises RuntimeError with the last thing that it said."""
    done = subprocess.run(
        [str(HERE / words[0]), *words[1:]], capture_output=True, text=True, timeout=_PATIENCE, check=False
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(f"{' '.join(words)}: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout


def _there(image: str) -> bool:
    asked = ["docker", "image", "inspect", image]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@dataclass
class BedHost:
    """A machine of the bed, up. What changes it runs in a thread and is awaited."""

    name: str
    address: str
    port: int
    user: str
    key: str
    known_hosts: str
    machines: list[SshMachine] = field(default_factory=list)

    def machine(self, **other: Any) -> SshMachine:
        """A new connection to it; `other` replaces what a test wants wrong."""
        given = {"port": self.port, "user": self.user, "key": self.key, "known_hosts": self.known_hosts}
        address = other.pop("address", self.address)
        made = SshMachine(self.name, address, **{**given, "connect_timeout": 5.0, **other})
        self.machines.append(made)
        return made

    @property
    def table(self) -> str:
        """Its `[deploy.hosts.NAME]` as a configuration file holds it."""
        return (
            f'[deploy.hosts.{self.name}]\naddress = "{self.address}"\nport = {self.port}\n'
            f'user = "{self.user}"\nkey = "{self.key}"\nknown_hosts = "{self.known_hosts}"\n'
        )

    async def _do(self, *words: str) -> str:
        return await asyncio.to_thread(_script, "ssh-host", words[0], self.name, *words[1:])

    async def cut(self, *, silent: bool = False) -> None:
        """Unplug it; `silent` lets every packet vanish instead."""
        await self._do("cut", *(["--drop"] if silent else []))

    async def heal(self) -> None:
        await self._do("heal")

    async def slow(self, rate: str) -> None:
        """Limit its link, such as `20mbit`; `off` ends that."""
        await self._do("slow", rate)

    async def poweroff(self) -> None:
        await self._do("poweroff")

    async def boot(self) -> None:
        await self._do("boot")

    async def docker_stop(self) -> None:
        await self._do("docker-stop")

    async def docker_start(self) -> None:
        await self._do("docker-start")

    async def docker(self, *words: str) -> str:
        """What a docker command prints there, run past SSH; "" when it fails."""
        try:
            return await self._do("exec", "docker", *words)
        except RuntimeError:
            return ""


@pytest.fixture(scope="session")
def docker_engine() -> None:
    """This machine's engine answers and has the base image."""
    if os.geteuid() != 0:
        pytest.skip("the test bed needs root")
    missing = [
        name for name in _PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None
    ]
    if missing:
        pytest.skip(f"the test bed needs {', '.join(missing)}: `make testbed` installs them")
    try:
        _script("docker-up")
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"no Docker engine comes up here: {error}")
    for image in (BASE_IMAGE, EDGE_IMAGE):
        if not _there(image):
            pytest.skip(f"image {image} is missing: `make testbed` makes it")


def _brought_up(name: str) -> Iterator[BedHost]:
    try:
        known = _script("ssh-host", "list").split()
        found = json.loads(_script("ssh-host", "up", name))
    except (RuntimeError, subprocess.TimeoutExpired, ValueError) as error:
        pytest.skip(f"no host of the test bed comes up here: {error}")
    yield BedHost(name, found["host"], found["port"], found["user"], found["key"], found["known_hosts"])
    if name not in known:
        _script("ssh-host", "down", name)


@pytest.fixture(scope="session")
def alpha(docker_engine: None) -> Iterator[BedHost]:
    """A host that is up for all tests; whoever cuts it heals it."""
    yield from _brought_up("alpha")


@pytest.fixture(scope="session")
def beta(docker_engine: None) -> Iterator[BedHost]:
    """A second one."""
    yield from _brought_up("beta")
