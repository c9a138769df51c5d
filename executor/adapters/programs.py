"""Running a program of this machine: a list of words, a given environment, bounded output, a time limit."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from executor.errors import Permanent, Transient
from executor.redaction import known

CHUNK = 1 << 16
_GRACE = 2.0


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended. `stdout` holds the first bytes up to the limit; `dropped` counts the rest."""

    code: int
    stdout: bytes
    stderr: bytes
    dropped: int

    @property
    def error_text(self) -> str:
        """The end of what it said on stderr, for people: no secret of this process is in it."""
        return known().excerpt(self.stderr.decode("utf-8", "replace").strip())[-2000:]


async def run_program(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: bytes = b"",
    timeout: float = 120.0,
    limit: int = 16 << 20,
) -> Finished:
    """Run to the end in its own process group; `env` is the whole environment.

    Raises Permanent when the program cannot be started, Transient when it is not done after `timeout`
    seconds; then, and when the caller is cancelled, the whole group is killed first.
    """
    process = await start_program(argv, env=env, cwd=cwd)
    try:
        async with asyncio.timeout(timeout):
            return await _talk(process, stdin, limit)
    except TimeoutError as error:
        raise Transient(
            f"{Path(argv[0]).name} did not finish within {timeout:g} s; it was stopped.",
            hint="The step is tried again by itself.",
        ) from error
    finally:
        await end_program(process)


async def start_program(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None) -> Process:
    """Start it with all three streams piped. Raises Permanent when it is not there or not executable."""
    try:
        return await asyncio.create_subprocess_exec(
            *argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=dict(env), cwd=cwd, start_new_session=True
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise Permanent(
            f"The program {argv[0]} cannot be started: {error.strerror}.",
            hint="Install it, or correct its path in executor.toml.",
        ) from error


async def end_program(process: Process) -> None:
    """Kill the program's group if it still runs, collect it, and let go of its pipes."""
    try:
        if process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            # wait() does not return before both pipes are read to their end. A descendant that left the group
            # may hold them open; its end is not waited for.
            with suppress(TimeoutError):
                await asyncio.wait_for(_drain(process), _GRACE)
    finally:
        # asyncio has no public way to let go of pipes that a descendant still holds.
        process._transport.close()  # type: ignore[attr-defined]


async def _drain(process: Process) -> None:
    for stream in (process.stdout, process.stderr):
        while stream is not None and await stream.read(CHUNK):
            pass
    await process.wait()


async def _talk(process: Process, stdin: bytes, limit: int) -> Finished:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise Permanent("A program was started without pipes.")
    feed = asyncio.create_task(_feed(process.stdin, stdin))
    (stdout, dropped), (stderr, _), code, _ = await asyncio.gather(
        _read(process.stdout, limit), _read(process.stderr, CHUNK), process.wait(), feed
    )
    return Finished(code, stdout, stderr, dropped)


async def _feed(writer: asyncio.StreamWriter, data: bytes) -> None:
    # A program that has already ended: BrokenPipeError with asyncio's loop, RuntimeError with uvloop.
    with suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
        writer.write(data)
        await writer.drain()
    writer.close()


async def _read(reader: asyncio.StreamReader, limit: int) -> tuple[bytes, int]:
    """The first `limit` bytes, and how many came after them: the pipe is always drained."""
    kept, dropped = bytearray(), 0
    while chunk := await reader.read(CHUNK):
        room = limit - len(kept)
        kept += chunk[:room]
        dropped += max(len(chunk) - room, 0)
    return bytes(kept), dropped
