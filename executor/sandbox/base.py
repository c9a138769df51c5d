"""The protocol of a sandbox: a command, what it may see, how much it may use, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one sandboxed command; every one is enforced, none is advisory."""

    memory_bytes: int = 1 << 30
    pids: int = 64
    wall_seconds: float = 300.0
    cpu_seconds: int = 300
    file_bytes: int = 512 << 20  # of one file; all files together may take twice as much
    output_bytes: int = 256 << 10  # head and tail together; what lies between is counted, not kept


@dataclass(frozen=True, slots=True)
class Bind:
    """One directory or file made visible inside, at the absolute path `target`."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class SandboxCommand:
    """What to run inside. `env` is the whole environment besides PATH, HOME and LANG.

    `heavy` is a run that may be done on another machine: the test suite of a droplet, which is minutes of
    processor time where every other command is seconds. Of what it wrote, only the files `results` (absolute
    paths inside, in writable directories) are then sure to come back; elsewhere all does.
    """

    argv: tuple[str, ...]
    binds: tuple[Bind, ...]
    cwd: str = "/ws"
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    heavy: bool = False
    results: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """How a sandboxed command ended. `output` is stdout and stderr merged, head and tail if long.

    `note` says in words which limit ended it, empty if it ended by itself.
    """

    exit_code: int
    output: str
    output_bytes: int
    timed_out: bool
    seconds: float
    note: str = ""


class RunningService(Protocol):
    """A service that is up inside the walls for as long as its context is open."""

    @property
    def exited(self) -> bool:
        """True once the process has ended by itself."""
        ...

    def output(self) -> str:
        """What it has printed so far, head and tail."""
        ...


class Sandbox(Protocol):
    """Walls for code that we did not write: no network, no keys, no way to outlive its run."""

    @property
    def kind(self) -> str:
        """`bubblewrap`, `docker` or `unsafe`, as shown by doctor and in reports."""
        ...

    async def run(self, command: SandboxCommand) -> SandboxResult:
        """Run to the end or to a limit; nothing of it survives. Raises Permanent if it cannot be walled."""
        ...

    def serve(self, command: SandboxCommand) -> AbstractAsyncContextManager[RunningService]:
        """Keep a service running while the context is open, then kill all of it."""
        ...
