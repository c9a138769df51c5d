"""Running one captive to its end or to a limit: the part that every kind of sandbox shares."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

from executor.sandbox.base import RunningService, SandboxCommand, SandboxResult
from executor.sandbox.disk import filled
from executor.unbroken import unbroken


class Held(RunningService, Protocol):
    """A tree of processes in our hands: a Captive, or a container."""

    @property
    def printed(self) -> int:
        """Bytes printed so far."""
        ...

    async def ended(self) -> int:
        """Wait for the end of the command and return its exit code."""
        ...

    def kill(self) -> None:
        """Begin to kill all of it, without waiting for the end."""
        ...

    async def destroy(self) -> None:
        """Kill all of it and return when it is gone; a cancelled caller still waits for that."""
        ...


async def run_to_end(begin: Callable[[], Held], command: SandboxCommand) -> SandboxResult:
    """Start a captive, wait for its end, its wall time or a full disk, and destroy what is left of it."""
    started = time.monotonic()
    captive = begin()
    try:
        code, note, timed_out = await _first_of(captive, command)
    finally:
        await captive.destroy()
    return SandboxResult(
        exit_code=code,
        output=captive.output(),
        output_bytes=captive.printed,
        timed_out=timed_out,
        seconds=time.monotonic() - started,
        note=note,
    )


@contextlib.asynccontextmanager
async def kept_running(begin: Callable[[], Held], command: SandboxCommand) -> AsyncIterator[RunningService]:
    """Hold a captive while the context is open; wall time and a full disk end it here too."""
    captive = begin()
    watch = asyncio.create_task(_end_at_limit(captive, command))
    try:
        yield captive
    finally:
        watch.cancel()
        await unbroken(asyncio.gather(watch, return_exceptions=True))
        await captive.destroy()


async def _first_of(captive: Held, command: SandboxCommand) -> tuple[int, str, bool]:
    ended = asyncio.create_task(captive.ended())
    full = asyncio.create_task(filled(_writable(command), 2 * command.limits.file_bytes))
    try:
        await asyncio.wait(
            {ended, full}, timeout=command.limits.wall_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if ended.done():
            return ended.result(), "", False
        if full.done() and not full.exception():
            return 137, f"Killed: {full.result()}.", False
        return 137, f"Killed after {command.limits.wall_seconds:g} s.", True
    finally:
        ended.cancel()
        full.cancel()
        await unbroken(asyncio.gather(ended, full, return_exceptions=True))


async def _end_at_limit(captive: Held, command: SandboxCommand) -> None:
    await _first_of(captive, command)
    captive.kill()


def _writable(command: SandboxCommand) -> tuple[Path, ...]:
    return tuple(bind.source for bind in command.binds if bind.writable and bind.source.is_dir())
