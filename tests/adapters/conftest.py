"""What the tests of the machines share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.ssh_servers import SshServer, asyncssh_server, openssh_missing, openssh_server

SERVERS = {"asyncssh": asyncssh_server, "openssh": openssh_server}


def _needs(kind: str) -> None:
    if kind == "openssh" and (missing := openssh_missing()):
        pytest.skip(missing)


@pytest.fixture(params=list(SERVERS))
async def ssh_server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SshServer]:
    """A running SSH server: each test runs against asyncssh's and against OpenSSH's."""
    _needs(request.param)
    async with SERVERS[request.param](tmp_path) as server:
        yield server


@pytest.fixture
async def start_ssh(tmp_path: Path) -> AsyncIterator[Any]:
    """Start a server of one kind with its own settings: `await start_ssh("openssh", options=[...])`."""
    async with AsyncExitStack() as opened:

        async def start(which: str, **settings: Any) -> SshServer:
            _needs(which)
            return await opened.enter_async_context(SERVERS[which](tmp_path, **settings))

        yield start
