"""Plain subprocesses, for a machine without bubblewrap and an operator who said `unsafe` by name.

There are no walls here: the command sees the files, the network and the processes of the daemon's user.
Limits, a cleared environment and the end of the whole session hold as far as they can.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from executor.sandbox.argv import join_argv, prlimit_argv
from executor.sandbox.base import Bind, RunningService, SandboxCommand, SandboxResult
from executor.sandbox.captive import Captive, Start
from executor.sandbox.cgroups import Cgroups
from executor.sandbox.supervise import kept_running, run_to_end


class UnsafeSandbox:
    """Runs commands beside the daemon; places inside are rewritten to where they really lie."""

    kind = "unsafe"
    limits_note = "No walls: sandbox kind `unsafe` is set."

    def __init__(self, cgroups: Cgroups) -> None:
        self._cgroups = cgroups

    async def run(self, command: SandboxCommand) -> SandboxResult:
        """Run to the end or to a limit; what left its session and has no cgroup may survive."""
        return await run_to_end(lambda: self._begin(command), command)

    def serve(self, command: SandboxCommand) -> AbstractAsyncContextManager[RunningService]:
        """Keep a service running while the context is open, then kill its session."""
        return kept_running(lambda: self._begin(command), command)

    def _begin(self, command: SandboxCommand) -> Captive:
        limits = command.limits
        leaf = self._cgroups.sandbox_leaf(memory_bytes=limits.memory_bytes, pids=limits.pids)
        total = "memory" in self._cgroups.controllers
        argv = [
            *join_argv(leaf.join if leaf else ()),
            *prlimit_argv(limits, total_memory=total, uid=None),
            *(_outside(word, command.binds) for word in command.argv),
        ]
        env = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108
        env |= {name: _outside(value, command.binds) for name, value in command.env.items()}
        cwd = _outside(command.cwd, command.binds)
        return Captive(Start(argv, limits.output_bytes, leaf=leaf, env=env, cwd=cwd))


def _outside(text: str, binds: Sequence[Bind]) -> str:
    for bind in sorted(binds, key=lambda bind: -len(bind.target)):
        source = str(bind.source).replace("\\", r"\\")
        text = re.sub(rf"(?<![\w/.-]){re.escape(bind.target)}(?![\w.-])", source, text)
    return text
