"""A machine that is reached over SSH: its commands, files and ports."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from executor.adapters import ssh_files
from executor.adapters.programs import Finished
from executor.adapters.ssh_access import SshAccess
from executor.errors import Permanent, Transient

if TYPE_CHECKING:
    from executor.adapters.ssh_link import SshLink

_ROOT_WORD = "fpai-root "


class SshMachine:
    """A Machine behind an OpenSSH server; `connect_timeout`: the silence, in seconds, that means it is gone.

    One connection is opened at the first use, kept, and opened anew when it was lost. asyncssh costs 15 MB:
    it is imported at that first use and by no other path.
    """

    def __init__(
        self,
        name: str,
        address: str,
        *,
        port: int,
        user: str,
        key: str,
        known_hosts: str,
        connect_timeout: float = 10.0,
    ) -> None:
        self._access = SshAccess(name, address, port, user, key, known_hosts, connect_timeout)
        self._kept: SshLink | None = None
        self._root = ""

    @property
    def name(self) -> str:
        """The NAME of its `[deploy.hosts.NAME]`."""
        return self._access.name

    @property
    def address(self) -> str:
        """The address under which others reach what this machine publishes."""
        return self._access.address

    async def root(self) -> str:
        """`.fpai` in the home of the user there, as an absolute path, made (0700) at the first call."""
        if not self._root:
            done = await self.run(["sh", "-c", ssh_files.ROOT])
            lines = done.stdout.decode("utf-8", "replace").splitlines()
            found = [line.removeprefix(_ROOT_WORD) for line in lines if line.startswith(_ROOT_WORD)]
            if done.code != 0 or not found:
                raise ssh_files.unwritable(f"~/.fpai on {self.name}", done.error_text)
            self._root = found[-1]
        return self._root

    async def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = 4 << 20
    ) -> Finished:
        """Run a command there; after `timeout` seconds, or when the caller is cancelled, it is killed.

        Nothing of this process's environment goes along. A program that is not there ends with code 127.
        Raises Transient when it took too long.
        """
        return await (await self._link()).run(argv, stdin, timeout, limit)

    async def write(self, path: str, content: bytes, *, mode: int = 0o600) -> None:
        """Put a small file in place whole, or not at all when the connection is cut."""
        words = [path, posixpath.dirname(path), str(len(content)), f"{mode:o}"]
        done = await self.run(["sh", "-c", ssh_files.WRITE, "fpai", *words], stdin=content)
        ssh_files.judge(done, path, self.name)

    async def send(
        self, source: Path, path: str, *, sha256: str, told: Callable[[int], None] | None = None
    ) -> int:
        """Bring a large file over; Transient with `retry_after` while another transfer of it is under way."""
        try:
            size = (await asyncio.to_thread(source.stat)).st_size
            file = await asyncio.to_thread(source.open, "rb")
        except OSError as error:
            raise Permanent(f"{source} cannot be read: {error.strerror}.") from error
        with file:
            words = [path, posixpath.dirname(path), str(size), sha256]
            argv = ["sh", "-c", ssh_files.SEND, "fpai", *words]
            return await (await self._link()).send(argv, file, size, path, told)

    @asynccontextmanager
    async def reach(self, host: str, port: int) -> AsyncIterator[str]:
        """A port of this machine's loopback that leads there, closed with the context.

        An error inside the context is raised as Transient when the machine does not answer by then: what
        looks like a broken service may be the broken way to it. Raises Permanent when it forwards nothing.
        """
        link = await self._link()
        async with link.forward(host, port) as local_port:
            try:
                yield f"http://127.0.0.1:{local_port}"
            except Transient:
                raise
            except Exception:
                await self.run(["true"], timeout=self._access.silence)
                raise

    async def aclose(self) -> None:
        """Let go of the connection; the next call makes a new one."""
        if self._kept is not None:
            await self._kept.aclose()

    async def _link(self) -> SshLink:
        if self._kept is None:
            made = await asyncio.to_thread(_new_link, self._access)  # it takes half a second
            self._kept = self._kept or made
        return self._kept


def _new_link(access: SshAccess) -> SshLink:
    from executor.adapters.ssh_link import SshLink  # noqa: PLC0415 - 15 MB, only for who has a host

    return SshLink(access)
