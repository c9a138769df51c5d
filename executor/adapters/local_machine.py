"""This machine as a Machine: its own processes, files and ports."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from executor.adapters.local_files import Arrival, put
from executor.adapters.programs import Finished, run_program

_ENVIRONMENT = ("PATH", "HOME", "DOCKER_HOST")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LocalMachine:
    """The machine that the daemon runs on. `root` is the directory of the executor's things."""

    name = "local"
    address = "127.0.0.1"

    def __init__(self, root: Path) -> None:
        self._root = root

    async def root(self) -> str:
        """The directory that was given, absolute, made if it is missing (0700)."""
        path = self._root.absolute()
        await asyncio.to_thread(path.mkdir, 0o700, parents=True, exist_ok=True)
        return str(path)

    async def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = 4 << 20
    ) -> Finished:
        """Run a program in the root of the file system, with PATH, HOME and DOCKER_HOST and nothing more.

        Raises Permanent when the program is not there, Transient when it is not done after `timeout` seconds.
        """
        env = {"PATH": _PATH, "HOME": str(Path.home())}
        env |= {word: os.environ[word] for word in _ENVIRONMENT if word in os.environ}
        return await run_program(argv, env=env, cwd=Path("/"), stdin=stdin, timeout=timeout, limit=limit)

    async def write(self, path: str, content: bytes, *, mode: int = 0o600) -> None:
        """Put a small file in place whole. Raises Transient when the disk is full, else Permanent."""
        await asyncio.to_thread(put, Path(path), content, mode)

    async def send(
        self, source: Path, path: str, *, sha256: str, told: Callable[[int], None] | None = None
    ) -> int:
        """Copy a large file; Transient with `retry_after` while somebody else copies the same one."""
        return await Arrival(source, Path(path), sha256).take(told)

    @asynccontextmanager
    async def reach(self, host: str, port: int) -> AsyncIterator[str]:
        """The address itself: this process is on that machine."""
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def aclose(self) -> None:
        """There is nothing to let go of."""
