"""A host that behaves: asyncssh's server, the real sh and coreutils, and a docker command that is a fake's.

It lives in the event loop of whoever opens it: put into a thread of its own it outlives a daemon that dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from executor.adapters.ssh import SshMachine
from tests.fakes.cut_proxy import CutProxy
from tests.fakes.docker_engine import FakeEngine
from tests.fakes.ssh_servers import SshServer, asyncssh_server


@dataclass
class FakeHost:
    """`wire` leads to it: `wire.cut()` and `wire.heal()`. `engine` is what its `docker` command talks to."""

    ssh: SshServer
    wire: CutProxy
    engine: FakeEngine

    @property
    def home(self) -> Path:
        """The home directory of the user who logs in."""
        return self.ssh.home

    def machine(self) -> SshMachine:
        """A new connection to it, through the wire."""
        return self.ssh.machine(self.wire.port)

    async def settled(self) -> None:
        """Return when every command that was begun has ended, also those whose connection is gone."""
        while self.ssh.commands or not self.engine.idle or processes_with(self.engine.bin):
            await asyncio.sleep(0.01)

    def hang_up(self) -> None:
        """End every connection; new ones are taken."""
        self.wire.cut()
        self.wire.heal()


@asynccontextmanager
async def fake_host(where: Path) -> AsyncIterator[FakeHost]:
    """A host while the context is open; `where` is an empty directory of its own."""
    async with FakeEngine(where) as engine, asyncssh_server(where) as ssh, CutProxy(ssh.port) as wire:
        ssh.path = f"{engine.bin}:{ssh.path}"
        ssh.pin(wire.port)
        host = FakeHost(ssh, wire, engine)
        engine.lose_replies = host.hang_up
        yield host


def processes_with(directory: Path) -> list[int]:
    """The processes that have this directory in their PATH: commands of a host that still run."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"PATH={directory}:".encode() in environ.read_bytes():
                found.append(int(environ.parent.name))
    return found
