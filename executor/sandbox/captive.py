"""One spawned tree of processes, held so that none of it can be left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field

from executor.errors import Permanent, Transient
from executor.sandbox.cgroups import Leaf
from executor.sandbox.output import OutputReader
from executor.unbroken import unbroken

_CHILD = re.compile(rb'"child-pid":\s*(\d+)')  # written first; what follows comes in later pieces
_DEATH_PATIENCE = 5.0
_OUTPUT_PATIENCE = 1.0
_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


@dataclass(slots=True)
class Start:
    """How to spawn a tree. `fds` are inherited and closed here; `info` tells bubblewrap's first child.

    `kept` are inherited too, and stay their owner's.
    """

    argv: Sequence[str]
    output_bytes: int
    fds: list[int] = field(default_factory=list)
    kept: tuple[int, ...] = ()
    info: int | None = None
    leaf: Leaf | None = None
    env: dict[str, str] = field(default_factory=lambda: dict(_ENV))
    cwd: str = "/"


class Captive:
    """A running tree: its first process, the first one inside its PID namespace, its cgroup and its output.

    Spawning does not wait, so there is no moment at which a cancelled caller could lose a process.
    """

    def __init__(self, start: Start) -> None:
        self._leaf = start.leaf
        self._info = start.info
        self._inner: int | None = None
        self._output = OutputReader(start.output_bytes)
        try:
            self._process = self._spawn(start)
        except BaseException:
            self._output.close()
            self._let_go()
            raise
        finally:
            for fd in start.fds:
                os.close(fd)
        self._pidfd = os.pidfd_open(self._process.pid)
        self._output.begin()
        if self._info is not None:
            asyncio.get_running_loop().add_reader(self._info, self._on_info)

    @property
    def exited(self) -> bool:
        """True once the first process has ended."""
        return self._process.poll() is not None

    @property
    def printed(self) -> int:
        """Bytes printed so far."""
        return self._output.kept.total

    def output(self) -> str:
        """What was printed so far, head and tail."""
        return self._output.kept.text()

    async def ended(self) -> int:
        """Wait for the first process and return its exit code, minus the signal if one ended it."""
        await _readable(self._pidfd)
        return self._process.wait()

    async def destroy(self) -> None:
        """Kill all of it and return when it is gone; a cancelled caller still waits for that."""
        self.kill()
        await unbroken(self._bury())

    def _spawn(self, start: Start) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                start.argv,
                stdin=subprocess.DEVNULL,
                stdout=self._output.write_end,
                stderr=self._output.write_end,
                pass_fds=(*start.fds, *start.kept),
                env=start.env,
                cwd=start.cwd,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise Permanent(
                f"{error.filename} is missing, so nothing can be run.", hint="Install it."
            ) from error
        except OSError as error:
            raise Transient(f"No process could be started: {error.strerror}.") from error

    def kill(self) -> None:
        """Send SIGKILL to all of it, at once and without waiting for the end."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        if self._inner is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._inner, signal.SIGKILL)
        if self._leaf is not None:
            self._leaf.kill()

    async def _bury(self) -> None:
        await self.ended()
        self._on_info()
        self.kill()  # once more, since the first process inside is known only now
        if self._inner is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DEATH_PATIENCE):
                    await _readable(self._inner)
        if self._leaf is not None and not await asyncio.to_thread(self._emptied):
            raise Permanent("A sandboxed process could not be killed; see the kernel's log for why.")
        await self._output.end(_OUTPUT_PATIENCE)
        self._let_go()
        os.close(self._pidfd)

    def _emptied(self) -> bool:
        assert self._leaf is not None  # noqa: S101 - checked by the only caller
        self._leaf.remove(_DEATH_PATIENCE)
        return not self._leaf.members()

    def _let_go(self) -> None:
        for fd in (self._info, self._inner):
            if fd is not None:
                asyncio.get_running_loop().remove_reader(fd)
                os.close(fd)
        self._info = self._inner = None

    def _on_info(self) -> None:
        """Hold the first process of the PID namespace: when it is gone, the kernel has ended the others."""
        if self._info is None or self._inner is not None:
            return
        with contextlib.suppress(OSError):
            os.set_blocking(self._info, False)
            if named := _CHILD.search(os.read(self._info, 4096)):
                self._inner = os.pidfd_open(int(named[1]))
        asyncio.get_running_loop().remove_reader(self._info)


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    seen = loop.create_future()
    loop.add_reader(fd, lambda: None if seen.done() else seen.set_result(None))
    try:
        await seen
    finally:
        loop.remove_reader(fd)
