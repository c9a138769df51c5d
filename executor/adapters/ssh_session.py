"""Commands over a connection: started within its bounds, and never left behind there."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import asyncssh

from executor.adapters.ssh_access import MARK, SshAccess, command_line
from executor.adapters.ssh_errors import lost, translated
from executor.adapters.ssh_talk import Process

_GRACE = 2.0
_KILL_GRACE = 5.0  # killers wait for one another
_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
# OpenSSH passes a signal on only for users other than root, and only to the group that it started: so what
# is to end is found by the mark in its environment, and with it whatever it has started.
_KILL = f"""
for again in 1 2 3; do
    found=$(grep -lsF "{MARK}=$1" /proc/[0-9]*/environ)
    [ -n "$found" ] || exit 0
    for at in $found; do
        at=${{at#/proc/}}
        kill -9 "${{at%%/*}}"
    done
done
"""


class Sessions:
    """The commands that run on one machine at the same time."""

    def __init__(
        self, access: SshAccess, connect: Callable[[], Awaitable[asyncssh.SSHClientConnection]]
    ) -> None:
        self._access = access
        self._connect = connect
        # OpenSSH allows 10 sessions on a connection (sshd_config(5), MaxSessions): these, a killer, a spare.
        self._slots = asyncio.Semaphore(8)
        self._killer = asyncio.Lock()

    @asynccontextmanager
    async def start(self, argv: Sequence[str]) -> AsyncIterator[Process]:
        """The running command; when the context ends it is killed if it still runs, and its channel closed.

        Raises Transient when the connection is lost, Permanent when the words cannot be sent.
        """
        mark = secrets.token_hex(8)
        line = command_line(argv, mark)
        async with self._slots:
            connection = await self._connect()
            try:
                process = await self._open(connection, line, mark)
                try:
                    yield process
                finally:
                    await self._end(connection, process, mark)
            except (asyncssh.Error, ConnectionError) as error:
                if connection.is_closed():
                    raise lost(self._access) from error
                raise translated(error, self._access) from error

    async def _open(self, connection: asyncssh.SSHClientConnection, line: str, mark: str) -> Process:
        opening = asyncio.ensure_future(_started(connection, line))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # asyncssh forgets a channel whose opening is cancelled; it would stay open on both sides.
            await asyncio.wait({opening}, timeout=_GRACE)
            if opening.done() and not opening.cancelled() and not opening.exception():
                await self._end(connection, opening.result(), mark)
            opening.cancel()
            raise

    async def _end(self, connection: asyncssh.SSHClientConnection, process: Process, mark: str) -> None:
        try:
            if process.returncode is None and not connection.is_closed():
                with suppress(asyncssh.Error, OSError):  # a TimeoutError is one
                    await asyncio.wait_for(self._kill(connection, mark), _KILL_GRACE)
        finally:
            process.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait_closed(), _GRACE)

    async def _kill(self, connection: asyncssh.SSHClientConnection, mark: str) -> None:
        async with self._killer:
            killer = await _started(connection, command_line(["sh", "-c", _KILL, "fpai", mark], "killer"))
            try:
                await killer.wait_closed()
            finally:
                killer.close()


async def _started(connection: asyncssh.SSHClientConnection, line: str) -> Process:
    """Start it. sshd counts an ended session a moment longer than we do, and refuses one too many."""
    for pause in _PAUSES:
        with suppress(asyncssh.ChannelOpenError):
            return await connection.create_process(line, encoding=None, stdin=asyncssh.PIPE)
        await asyncio.sleep(pause)
        if connection.is_closed():
            break
    return await connection.create_process(line, encoding=None, stdin=asyncssh.PIPE)
