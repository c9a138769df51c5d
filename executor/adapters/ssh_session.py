"""One command on a machine: started, fed, read with bounds, and never left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncssh

from executor.adapters.programs import CHUNK, Finished
from executor.adapters.ssh_access import SshAccess
from executor.adapters.ssh_errors import lost, translated
from executor.errors import Transient

Process = asyncssh.SSHClientProcess[bytes]
_GRACE = 2.0


@asynccontextmanager
async def session(
    connection: asyncssh.SSHClientConnection, line: str, access: SshAccess
) -> AsyncIterator[Process]:
    """The running command; when the context ends it is killed if it still runs, and its channel is closed.

    Raises Transient when the connection is lost, Permanent when the machine starts no commands.
    """
    try:
        process = await _start(connection, line)
        try:
            yield process
        finally:
            await _end(process)
    except (asyncssh.Error, ConnectionError) as error:
        raise lost(access) if connection.is_closed() else translated(error, access) from error


async def talk(process: Process, stdin: bytes, limit: int, access: SshAccess) -> Finished:
    """Feed it and read it to its end. Raises Transient when the connection is lost meanwhile."""
    tasks = [
        asyncio.create_task(_read(process.stdout, limit)),
        asyncio.create_task(_read(process.stderr, CHUNK)),
    ]
    feed = asyncio.create_task(_feed(process, stdin))
    try:
        (stdout, dropped), (stderr, _) = await asyncio.gather(*tasks)
        return Finished(await code_of(process, access), stdout, stderr, dropped)
    finally:
        for task in (*tasks, feed):
            task.cancel()
        await asyncio.gather(*tasks, feed, return_exceptions=True)


async def code_of(process: Process, access: SshAccess) -> int:
    """Its exit code, or -N when signal N ended it. Raises Transient when the connection was lost first."""
    await process.wait_closed()
    if process.returncode is None:
        raise lost(access)
    return process.returncode


async def put(process: Process, data: bytes) -> None:
    """Write to it and wait until there is room for more; a program that reads no more is no error here."""
    with suppress(BrokenPipeError):
        process.stdin.write(data)
        await process.stdin.drain()


def stopped(line: str, access: SshAccess, timeout: float) -> Transient:
    """The command took too long."""
    return Transient(
        f"{line.split(' ', 1)[0]} on {access.name} did not finish within {timeout:g} s; it was stopped.",
        hint="The step is tried again by itself.",
    )


async def _start(connection: asyncssh.SSHClientConnection, line: str) -> Process:
    starting = asyncio.ensure_future(connection.create_process(line, encoding=None, stdin=asyncssh.PIPE))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # asyncssh forgets a channel whose opening is cancelled; it would stay open on both sides.
        await asyncio.wait({starting}, timeout=_GRACE)
        if starting.done() and not starting.cancelled() and not starting.exception():
            await _end(starting.result())
        starting.cancel()
        raise


async def _end(process: Process) -> None:
    if process.returncode is None:
        with suppress(OSError):
            process.kill()
    process.close()
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait_closed(), _GRACE)


async def _feed(process: Process, data: bytes) -> None:
    with suppress(asyncssh.Error, OSError):
        for start in range(0, len(data), CHUNK):
            await put(process, data[start : start + CHUNK])
        process.stdin.write_eof()


async def _read(reader: asyncssh.SSHReader[bytes], limit: int) -> tuple[bytes, int]:
    """The first `limit` bytes, and how many came after them: the pipe is always drained."""
    kept, dropped = bytearray(), 0
    while chunk := await reader.read(CHUNK):
        room = limit - len(kept)
        kept += chunk[:room]
        dropped += max(len(chunk) - room, 0)
    return bytes(kept), dropped
