"""A machine on which releases run: this one, or one that is reached over SSH."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from executor.adapters.programs import Finished


class Machine(Protocol):
    """Commands, files and ports of one machine.

    Every method raises Transient while the machine does not answer or the connection is lost, and Permanent
    when it refuses us or is not the one that was pinned. A call whose connection was lost may have happened.
    """

    @property
    def name(self) -> str:
        """`local`, or the NAME of its `[deploy.hosts.NAME]`."""
        ...

    @property
    def address(self) -> str:
        """The address under which others reach what this machine publishes."""
        ...

    async def root(self) -> str:
        """The absolute directory of this executor's things on that machine, made if it is missing (0700)."""
        ...

    async def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = 4 << 20
    ) -> Finished:
        """Run a command to its end; its exit code is the caller's to judge. No shell reads the words.

        Raises Transient when it runs longer than `timeout` seconds; then, and when the caller is cancelled,
        it is killed. A program that is not there is code 127 over SSH and Permanent on this machine.
        """
        ...

    async def write(self, path: str, content: bytes, *, mode: int = 0o600) -> None:
        """Put a small file in place whole: written as `.part`, synced, renamed. Makes missing parents."""
        ...

    async def send(
        self, source: Path, path: str, *, sha256: str, told: Callable[[int], None] | None = None
    ) -> int:
        """Bring a large file over and return how many bytes travelled; 0 when it is there already.

        What an earlier, broken transfer left in `path.part` is continued; the whole is renamed only when its
        SHA-256 is right, else the part is thrown away and Transient raised. `told` hears how many bytes of
        the file were handed over by now, with those of earlier transfers. While another transfer to the same
        path is under way: Transient with `retry_after`.
        """
        ...

    def reach(self, host: str, port: int) -> AbstractAsyncContextManager[str]:
        """The http address by which this process reaches `host:port` as that machine sees it.

        An error that leaves the context becomes Transient when the machine does not answer by then.
        """
        ...

    async def aclose(self) -> None:
        """Let go of the connection; the next call makes a new one."""
        ...
