"""What the sandbox needs of a machine that is not this one; the adapters' Machine is one.

Source: executor/adapters/machine.py, whose words on errors hold here. The layers keep the two apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol


class Ended(Protocol):
    """How a program ended."""

    @property
    def code(self) -> int:
        """Its exit code."""
        ...

    @property
    def stdout(self) -> bytes:
        """What it printed."""
        ...

    @property
    def stderr(self) -> bytes:
        """What it said beside that."""
        ...


class Remote(Protocol):
    """Commands and files of one machine; Transient while it does not answer, Permanent when it refuses us."""

    @property
    def name(self) -> str:
        """What it is called in the configuration."""
        ...

    async def root(self) -> str:
        """The absolute directory of this executor's things there."""
        ...

    async def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = 4 << 20
    ) -> Ended:
        """Run a command to its end; its exit code is the caller's to judge."""
        ...

    async def send(
        self, source: Path, path: str, *, sha256: str, told: Callable[[int], None] | None = None
    ) -> int:
        """Bring a file over whole, continuing a broken transfer; returns how many bytes travelled."""
        ...
