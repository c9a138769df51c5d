"""The protocol of a deploy target: start a release beside the old one, prove it, switch, or take it away."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from executor.domain.step import Act, Probe


@dataclass(frozen=True, slots=True)
class Release:
    """What is shipped: one commit of one droplet. `id` is unique, safe in a file name, and never reused.

    `source` need not exist for a release whose files or image the target has kept.
    """

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
    """A release that serves. `handle` is the target's own note for finding it again after a restart.

    `handle["release_id"]` is there for every target. `url` is where people reach it once it is switched to.
    """

    release_id: str
    url: str
    handle: Mapping[str, str]


class Doing(Protocol):
    """What a target is lent while it works for a build; a StepContext is one."""

    def progress(self, action: str, fraction: float | None = None) -> None:
        """Say what is being done right now; live only."""
        ...

    def log(self, text: str, level: str = "info") -> None:
        """Add lines to the build's log."""
        ...

    async def effect(self, key: str, *, probe: Probe, act: Act) -> Mapping[str, Any]:
        """Do a side effect once: intent row, probe, act, done row."""
        ...


class Target(Protocol):
    """Where a release runs. Every method may be called again after a crash and then adopts what is there.

    Every method raises Transient while the machine does not answer.
    """

    @property
    def name(self) -> str:
        """The word of a build's `target`: `process`, `docker`, `docker:HOST` or `swarm`."""
        ...

    @property
    def revive_after(self) -> float:
        """Seconds of silence that its own supervision is given before the daemon starts a release again."""
        ...

    def held(self, droplet: str, build_id: str) -> AbstractAsyncContextManager[None]:
        """Hold the droplet's deploy lock while the context is open; the same build re-enters after a crash.

        Raises Transient, with who holds it and for how long, when another build or executor does.
        """
        ...

    async def find(self, release: Release) -> Running | None:
        """Return the release if it is up and is this one, else None."""
        ...

    async def prepare(self, release: Release, doing: Doing) -> None:
        """Bring to where it will run whatever a start needs: an image built and shipped, a venv made.

        Raises Permanent or ReleaseAtFault (the image cannot be built).
        """
        ...

    async def start(self, release: Release) -> Running:
        """Start it beside whatever runs, without taking traffic from it; adopt it if it is up already.

        Raises Transient (no free port, disk full) or Permanent (the release cannot be started).
        """
        ...

    async def prove(self, running: Running, release: Release) -> None:
        """Return once its contract health reports this release; else raise ReleaseAtFault with its log."""
        ...

    async def switch(self, running: Running, release: Release) -> None:
        """Let traffic go to it and return once it answers there; an earlier release keeps running.

        Raises ReleaseAtFault after traffic has been given back to the earlier one.
        """
        ...

    async def discard(self, release: Release, earlier: Mapping[str, str] | None) -> None:
        """End whatever was started for it; traffic belongs to `earlier` (its handle) as before."""
        ...

    async def stop(self, handle: Mapping[str, str]) -> None:
        """End it and keep its files; ending what is already gone is not an error."""
        ...

    async def retire(self, droplet: str) -> None:
        """The droplet has no release any more: let go of its address."""
        ...

    async def alive(self, handle: Mapping[str, str]) -> bool:
        """True while it runs and is the one we started."""
        ...

    async def log_tail(self, handle: Mapping[str, str], lines: int = 60) -> str:
        """The last lines that the release printed."""
        ...

    async def prune(self, droplet: str, keep: frozenset[str]) -> None:
        """Remove what is kept of this droplet's releases that are neither in `keep` nor running."""
        ...

    async def aclose(self) -> None:
        """Let go of connections when the daemon ends."""
        ...
