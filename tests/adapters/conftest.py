"""What the tests of the machines share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from executor.adapters.git import Git
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


@pytest.fixture
def git() -> Git:
    return Git()


@pytest.fixture
async def repository(git: Git, tmp_path: Path) -> Path:
    """An empty bare repository."""
    path = tmp_path / "repositories" / "books.git"
    await git.init_bare(path)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files of every kind: text, bytes that are no text, a program, a link that leads outside."""
    path = tmp_path / "tree"
    (path / "app").mkdir(parents=True)
    (path / "app" / "main.py").write_text("answer = 42\n")
    (path / "README.md").write_bytes(b"one\r\ntwo $Id$ \xff\n")
    (path / "run.sh").write_text("#!/bin/sh\n")
    (path / "run.sh").chmod(0o755)
    (path / "link").symlink_to("/etc/hostname")
    return path
