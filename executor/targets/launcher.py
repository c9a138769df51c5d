"""The protocol of a launcher: what brings a release up so that it outlives the daemon, and takes it down."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from executor.targets.launch import Launch


class Launcher(Protocol):
    """Starts and ends releases; what runs is told by the lock in the record directory alone."""

    @property
    def changes_uid(self) -> bool:
        """True where every droplet's releases run as a uid of their own."""
        ...

    def record(self, droplet: str, release_id: str) -> Path:
        """Return the directory in which the shepherd of this release keeps lock, note and log."""
        ...

    async def start(self, droplet: str, launch: Launch) -> None:
        """Start it; a release that runs already is left as it is. Raises Permanent or Transient."""
        ...

    async def stop(self, record: Path, release_id: str) -> None:
        """End it, open requests first, and return when nothing of it is left."""
        ...
