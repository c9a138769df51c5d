"""Target `process`: releases as processes of this machine, each behind its walls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from executor.errors import Permanent, ReleaseAtFault, Transient
from executor.sandbox.ownership import remove_tree_now
from executor.sandbox.places import Places
from executor.sandbox.venv import VenvCache
from executor.targets import record
from executor.targets.base import Doing, Release, Running
from executor.targets.files import install
from executor.targets.launch import Bounds, Launch
from executor.targets.launcher import Launcher
from executor.targets.ports import free_port
from executor.targets.proving import probe_until

_PORT_TAKEN = "address already in use"
_NOTE_TRIES, _NOTE_PAUSE = 100, 0.01


class ProcessTarget:
    """Starts, proves and ends releases on `host`, on ports of `port_range` (both ends included).

    `probes` answers in a row within `deadline` seconds prove a release.
    """

    name = "process"
    revive_after = 0.0

    def __init__(
        self,
        places: Places,
        venvs: VenvCache,
        launcher: Launcher,
        *,
        host: str = "127.0.0.1",
        port_range: tuple[int, int] = (18500, 18999),
        probes: int = 2,
        deadline: float = 20.0,
        bounds: Bounds | None = None,
    ) -> None:
        self._places = places
        self._venvs = venvs
        self._launcher = launcher
        self._host = host
        self._port_range = port_range
        self._probes = probes
        self._deadline = deadline
        self._bounds = bounds or Bounds()
        self._starting = asyncio.Lock()

    @property
    def changes_uid(self) -> bool:
        """True where a release cannot pass for a person at the API; where False, a server token is needed."""
        return self._launcher.changes_uid

    async def find(self, release: Release) -> Running | None:
        """Return the release if its shepherd lives, else None."""
        where = self._launcher.record(release.droplet_name, release.id)
        if record.holder(where) is None:
            return None
        return await self._running(where, release)

    @asynccontextmanager
    async def held(self, droplet: str, build_id: str) -> AsyncIterator[None]:
        """The daemon is alone on its state directory and lets one build of a droplet run at a time."""
        yield

    async def prepare(self, release: Release, doing: Doing) -> None:
        """Make the virtual environment; raises ReleaseAtFault when its requirements cannot be met."""
        if release.requirements.exists():
            await self._venvs.get(release.requirements)

    async def start(self, release: Release) -> Running:
        """Start it on a free port, the one it had before if it can be, or adopt it if it is up.

        Raises Transient (no free port, disk full, index not reachable), Permanent (it cannot be started) or
        ReleaseAtFault (its requirements cannot be met); a release that ends at once is for `prove` to tell.
        """
        if running := await self.find(release):
            return running
        venv = await self._venvs.get(release.requirements)
        where = self._launcher.record(release.droplet_name, release.id)
        place = self._places.release(release.droplet_name, release.id)
        async with self._starting:  # files are laid down, and a port chosen and noted, by one start at a time
            source = await asyncio.to_thread(install, release.source, place)
            last = record.note(where).get("port")
            port = free_port(self._host, self._port_range, self._noted_ports(), last)
            address = (self._host, port)
            launch = Launch.of(release, source=source, venv=venv, address=address, bounds=self._bounds)
            await self._launcher.start(release.droplet_name, launch)
        return await self._running(where, release)

    async def prove(self, running: Running, release: Release) -> None:
        """Return once /health reports this release as often as asked for.

        Raises ReleaseAtFault with the log's end; Transient when another process took the port meanwhile.
        """
        where = _record(running.handle)
        proof = await probe_until(
            running.url,
            release.id,
            probes=self._probes,
            deadline=self._deadline,
            alive=lambda: self.alive(running.handle),
        )
        if proof.proven:
            return
        log = record.log_tail(where, 60)
        if proof.ended and _PORT_TAKEN in log.lower():
            raise Transient(f"Port of {running.url} was taken while release {release.id} started.")
        problem = self._ending(where) if proof.ended else proof.problem
        raise ReleaseAtFault(
            f"Release {release.id} is not fit to serve: {problem}.",
            log=log,
            hint="What it printed is attached; the earlier release stays in place.",
        )

    async def switch(self, running: Running, release: Release) -> None:
        """Every release has an address of its own, so there is nothing to switch but the registry's entry."""

    async def discard(self, release: Release, earlier: Mapping[str, str] | None) -> None:
        """End it if it is up."""
        if found := await self.find(release):
            await self.stop(found.handle)

    async def retire(self, droplet: str) -> None:
        """A droplet without a release holds nothing here."""

    async def aclose(self) -> None:
        """Releases outlive the daemon."""

    async def stop(self, handle: Mapping[str, str]) -> None:
        """End it and keep its files; ending what is already gone is not an error."""
        await self._launcher.stop(_record(handle), handle["release_id"])

    async def alive(self, handle: Mapping[str, str]) -> bool:
        """True while the process that stands over it lives."""
        return record.holder(_record(handle)) is not None

    async def log_tail(self, handle: Mapping[str, str], lines: int = 60) -> str:
        """The last lines that the release printed."""
        return await asyncio.to_thread(record.log_tail, _record(handle), lines)

    async def prune(self, droplet: str, keep: frozenset[str]) -> None:
        """Remove the files of releases that are neither kept nor running."""
        await asyncio.to_thread(self._prune, droplet, keep)

    def _prune(self, droplet: str, keep: frozenset[str]) -> None:
        for place in self._places.releases(droplet).iterdir():
            if place.name not in keep and record.holder(self._launcher.record(droplet, place.name)) is None:
                remove_tree_now(place)

    async def _running(self, where: Path, release: Release) -> Running:
        noted = await _settled_note(where)
        if not {"port", "pid", "started"} <= noted.keys():
            raise Permanent(f"The note of release {release.id} in {where} is missing, so it cannot be found.")
        handle = {"record": str(where), "release_id": release.id}
        handle |= {name: str(noted[name]) for name in ("pid", "started", "port")}
        return Running(release.id, f"http://{self._host}:{noted['port']}", handle)

    def _noted_ports(self) -> set[int]:
        found: set[int] = set()
        for place in self._places.root.glob("releases/*/*"):
            where = self._launcher.record(place.parent.name, place.name)
            if record.holder(where) is not None:
                found.add(int(record.note(where).get("port", 0)))
        return found

    def _ending(self, where: Path) -> str:
        code = record.exit_code(where)
        if code is None:
            return "it was killed"
        if code in (-9, 137):
            return f"it was killed, as happens when it needs more than {self._bounds.memory_bytes >> 20} MiB"
        return f"it ended with exit code {code}"


def _record(handle: Mapping[str, str]) -> Path:
    return Path(handle["record"])


async def _settled_note(where: Path) -> dict[str, Any]:
    """Return the note of the lock's holder: for an instant after it was taken an older note lies there."""
    for _ in range(_NOTE_TRIES):
        noted, holder = record.note(where), record.holder(where)
        if holder is None or noted.get("pid") == holder:
            break
        await asyncio.sleep(_NOTE_PAUSE)
    return noted
