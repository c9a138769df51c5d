"""Bringing a large file over: from where an earlier transfer broke off, and never faster than it is taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import BinaryIO

from executor.adapters.programs import CHUNK, Finished
from executor.adapters.ssh_access import SshAccess
from executor.adapters.ssh_files import HAVE, WHOLE, judge
from executor.adapters.ssh_talk import Process, code_of, heard, put
from executor.errors import Transient

_BLOCK = 4 * CHUNK
# Nothing is taken and nothing is said for this long, though the connection lives: a disk that hangs.
_STALL = 300.0


async def stream(
    process: Process,
    file: BinaryIO,
    *,
    size: int,
    path: str,
    access: SshAccess,
    told: Callable[[int], None] | None,
) -> int:
    """Talk to the SEND script until the file is in place; return how many bytes travelled.

    Raises Transient (try again: what arrived is kept) or Permanent (it cannot be written there).
    """
    try:
        sent = await _feed(process, file, size, told)
        async with asyncio.timeout(_STALL):
            (said, _), code = await heard(process.stderr, CHUNK), await code_of(process, access)
    except TimeoutError as error:
        raise Transient(f"{access.name} has taken nothing of {path} for {_STALL:g} s.") from error
    judge(Finished(code, b"", said, 0), path, access.name)
    return sent


async def _feed(process: Process, file: BinaryIO, size: int, told: Callable[[int], None] | None) -> int:
    """Send what is missing there; return how much that was."""
    async with asyncio.timeout(_STALL):
        have = await _have(process)
    sent = 0
    start = size if have is None else have
    async for block in _blocks(file, start, size):
        if process.is_closing():
            break
        async with asyncio.timeout(_STALL):
            await put(process, block)
        sent += len(block)
        if told is not None:
            told(start + sent)
    if not process.is_closing():
        process.stdin.write_eof()
    return sent


async def _have(process: Process) -> int | None:
    """How much is there already; None: nothing is wanted. What the login's shell prints is skipped."""
    while line := await process.stdout.readline():
        if line.startswith(HAVE):
            return int(line.removeprefix(HAVE))
        if line.startswith(WHOLE):
            return None
    return None


async def _blocks(file: BinaryIO, start: int, size: int) -> AsyncIterator[bytes]:
    await asyncio.to_thread(file.seek, start)
    while start < size:
        block = await asyncio.to_thread(file.read, min(_BLOCK, size - start))
        if not block:
            return  # it became shorter meanwhile; the receiver knows the length and says so
        start += len(block)
        yield block
