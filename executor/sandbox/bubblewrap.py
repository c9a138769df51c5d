"""The sandbox made of bubblewrap: no network, nothing to see but its binds, one kill for all of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from executor.sandbox.argv import (
    Walls,
    bwrap_argv,
    join_argv,
    packed,
    prlimit_argv,
    setpriv_argv,
    wall_options,
)
from executor.sandbox.base import RunningService, SandboxCommand, SandboxResult
from executor.sandbox.captive import Captive, Start
from executor.sandbox.cgroups import Cgroups
from executor.sandbox.places import Places
from executor.sandbox.supervise import kept_running, run_to_end
from executor.sandbox.writable import give_writable


class BubblewrapSandbox:
    """Walls of trust.md's measured command line, as the sandbox's uid where the daemon may change it."""

    kind = "bubblewrap"

    def __init__(self, places: Places, cgroups: Cgroups) -> None:
        self._places = places
        self._cgroups = cgroups

    @property
    def limits_note(self) -> str:
        """What is not bounded for a whole tree on this machine, in words; empty if all is."""
        missing = [name for name in ("memory", "pids") if name not in self._cgroups.controllers]
        if not missing:
            return ""
        words = {
            "memory": "memory is bounded for each process only",
            "pids": "processes are bounded by uid only",
        }
        if not self._places.changes_uid:
            words["pids"] = "the number of processes is not bounded"
        return (
            f"No writable cgroup for {' and '.join(missing)}: {', '.join(words[name] for name in missing)}."
        )

    async def run(self, command: SandboxCommand) -> SandboxResult:
        """Run to the end or to a limit; nothing of it survives. Raises Permanent if it cannot be walled."""
        await give_writable(command.binds, self._places)
        return await run_to_end(lambda: self._begin(command), command)

    def serve(self, command: SandboxCommand) -> AbstractAsyncContextManager[RunningService]:
        """Keep a service running while the context is open, then kill all of it."""
        return self._serve(command)

    @asynccontextmanager
    async def _serve(self, command: SandboxCommand) -> AsyncIterator[RunningService]:
        await give_writable(command.binds, self._places)
        async with kept_running(lambda: self._begin(command), command) as service:
            yield service

    def _begin(self, command: SandboxCommand) -> Captive:
        limits, uid = command.limits, self._places.sandbox_uid
        options = packed(wall_options(Walls(command.binds, command.cwd, command.env)))
        leaf = self._cgroups.sandbox_leaf(memory_bytes=limits.memory_bytes, pids=limits.pids)
        options_fd, (info, info_fd) = _memory_file(options), os.pipe2(os.O_CLOEXEC)
        argv = [
            *join_argv(leaf.join if leaf else ()),
            *setpriv_argv(uid),
            *prlimit_argv(limits, total_memory="memory" in self._cgroups.controllers, uid=uid),
            *bwrap_argv(command.argv, options_fd=options_fd, info_fd=info_fd),
        ]
        return Captive(Start(argv, limits.output_bytes, fds=[options_fd, info_fd], info=info, leaf=leaf))


def _memory_file(content: bytes) -> int:
    fd = os.memfd_create("options")
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
