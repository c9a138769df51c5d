"""What is said to and heard from one command on a machine, with bounds."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import asyncssh

from executor.adapters.programs import CHUNK, Finished
from executor.adapters.ssh_access import SshAccess
from executor.adapters.ssh_errors import lost

Process = asyncssh.SSHClientProcess[bytes]


async def talk(process: Process, stdin: bytes, limit: int, access: SshAccess) -> Finished:
    """Feed it and read it to its end. Raises Transient when the connection is lost meanwhile."""
    tasks = [
        asyncio.create_task(heard(process.stdout, limit)),
        asyncio.create_task(heard(process.stderr, CHUNK)),
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


async def _feed(process: Process, data: bytes) -> None:
    with suppress(asyncssh.Error, OSError):
        for start in range(0, len(data), CHUNK):
            await put(process, data[start : start + CHUNK])
        process.stdin.write_eof()


async def heard(reader: asyncssh.SSHReader[bytes], limit: int) -> tuple[bytes, int]:
    """Read to its end: the first `limit` bytes, and how many came after them. The pipe is always drained."""
    kept, dropped = bytearray(), 0
    while chunk := await reader.read(CHUNK):
        room = limit - len(kept)
        kept += chunk[:room]
        dropped += max(len(chunk) - room, 0)
    return bytes(kept), dropped
