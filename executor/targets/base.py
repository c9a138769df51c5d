"""The protocol of a deploy target: start a release beside the old one, prove it, switch, or take it away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Release:
    """What is shipped: one commit of one droplet. `id` is unique, safe in a file name, and never reused."""

    id: str
    build_id: str
    droplet_id: int
    droplet_name: str
    version: str
    commit: str
    source: Path
    requirements: Path
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """A release that serves. `handle` is the target's own note for finding it again after a restart."""

    release_id: str
    url: str
    handle: Mapping[str, str]


class Target(Protocol):
    """Where a release runs. Every method may be called again after a crash and then adopts what is there."""

    @property
    def name(self) -> str:
        """The word of `[deploy] target`."""
        ...

    async def find(self, release: Release) -> Running | None:
        """Return the release if it is up and is this one, else None."""
        ...

    async def start(self, release: Release) -> Running:
        """Start it beside whatever runs, without taking traffic from it; adopt it if it is up already.

        Raises Transient (no free port, disk full) or Permanent (the release cannot be started).
        """
        ...

    async def prove(self, running: Running, release: Release) -> None:
        """Return once its contract health reports this release; else raise ReleaseAtFault with its log."""
        ...

    async def stop(self, handle: Mapping[str, str]) -> None:
        """End it and keep its files; ending what is already gone is not an error."""
        ...

    async def alive(self, handle: Mapping[str, str]) -> bool:
        """True while its process runs and is the one we started."""
        ...

    def log_tail(self, handle: Mapping[str, str], lines: int = 60) -> str:
        """The last lines that the release printed."""
        ...

    async def prune(self, droplet: str, keep: frozenset[str]) -> None:
        """Remove the files of this droplet's releases that are not in `keep`."""
        ...
