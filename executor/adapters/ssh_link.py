"""The one connection to a machine that is kept, and what is done over it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import BinaryIO

import asyncssh

from executor.adapters.programs import Finished
from executor.adapters.ssh_access import SshAccess
from executor.adapters.ssh_connect import connect
from executor.adapters.ssh_errors import lost, stopped, translated
from executor.adapters.ssh_send import stream
from executor.adapters.ssh_session import Sessions
from executor.adapters.ssh_talk import talk
from executor.errors import ExecutorError, Permanent

_GRACE = 2.0


class SshLink:
    """Opens the connection when it is needed; callers that wait for the same attempt share its outcome."""

    def __init__(self, access: SshAccess) -> None:
        self._access = access
        self._lock = asyncio.Lock()
        self._sessions = Sessions(access, self.connection)
        self._connection: asyncssh.SSHClientConnection | None = None
        self._attempts = 0
        self._failed: ExecutorError | None = None

    async def connection(self) -> asyncssh.SSHClientConnection:
        """The open connection. Raises Permanent or Transient, see `connect`."""
        seen = self._attempts
        async with self._lock:
            if self._connection is not None and not self._connection.is_closed():
                return self._connection
            if self._failed is not None and self._attempts != seen:
                raise self._failed.with_traceback(None)
            self._failed = None
            try:
                self._connection = await connect(self._access)
            except ExecutorError as error:
                self._failed = error
                raise
            finally:
                self._attempts += 1
            return self._connection

    async def run(self, argv: Sequence[str], stdin: bytes, timeout: float, limit: int) -> Finished:
        """Run a command to its end. Raises Transient when it runs for longer than `timeout` seconds."""
        async with self._sessions.start(argv) as process:
            try:
                async with asyncio.timeout(timeout):
                    return await talk(process, stdin, limit, self._access)
            except TimeoutError as error:
                raise stopped(argv[0], self._access, timeout) from error

    async def send(
        self, argv: Sequence[str], file: BinaryIO, size: int, path: str, told: Callable[[int], None] | None
    ) -> int:
        """Run the SEND script and feed it; return how many bytes travelled."""
        async with self._sessions.start(argv) as process:
            return await stream(process, file, size=size, path=path, access=self._access, told=told)

    @asynccontextmanager
    async def forward(self, host: str, port: int) -> AsyncIterator[int]:
        """A port of this loopback that leads to `host:port` as seen from there, while the context is open."""
        connection = await self.connection()
        try:
            await self._allowed(connection, host, port)
            listener = await connection.forward_local_port("127.0.0.1", 0, host, port)
        except (asyncssh.Error, OSError) as error:
            raise lost(self._access) if connection.is_closed() else translated(error, self._access) from error
        try:
            yield listener.get_port()
        finally:
            listener.close()

    async def _allowed(self, connection: asyncssh.SSHClientConnection, host: str, port: int) -> None:
        """Try the way once: that nothing listens there (yet) is the caller's to see, a refused way is not."""
        try:
            async with asyncio.timeout(self._access.silence):
                _, writer = await connection.open_connection(host, port)
                writer.close()
        except TimeoutError:
            return
        except asyncssh.ChannelOpenError as error:
            if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
                raise Permanent(
                    f"{self._access.place} forwards no connections to {host}:{port}.",
                    hint="Set AllowTcpForwarding yes (or local) in the sshd_config of that machine.",
                ) from error

    async def aclose(self) -> None:
        """Close it, politely if the machine still answers."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connection.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(connection.wait_closed(), _GRACE)
        connection.abort()
