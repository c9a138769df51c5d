"""Life after registration: what the registry shows of our droplets follows what they are and how they fare.

Step 7 registers a release once. From then on it may move to another port, fall ill, or be forgotten by a
registry that restarted; here the entries are compared with the live releases again and again. What builds
are about to tell the registry themselves is left to them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from executor.adapters.registry_cache import RegistryCache
from executor.adapters.registry_entry import KnownDroplet, Registry, RegistryEntry
from executor.adapters.running_release import capabilities_of, load_of
from executor.domain.build import FINISHED, Build, State
from executor.errors import ExecutorError
from executor.steps.register import told_facts
from executor.store.droplets import Droplets, ReleaseRow
from executor.store.repository import Builds

log = structlog.get_logger(__name__)
_AT_ONCE = 4
_STATUS = {"active": "active", "error": "error", "unreachable": "error"}
"""From the words of the probes to those of the core Registry; what was not probed yet changes nothing."""


class Registrations:
    """Looks each `interval` seconds; a registry with heartbeats gets one each `heartbeat` seconds.

    `health` is what the probes saw last of each release. `problems` says by droplet id why its entry is not
    as it should be; each is logged once.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        cache: RegistryCache,
        droplets: Droplets,
        builds: Builds,
        health: Callable[[], Mapping[str, str]],
        heartbeat: float = 60.0,
        interval: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._cache = cache
        self._droplets = droplets
        self._builds = builds
        self._health = health
        self._heartbeat = heartbeat
        self._interval = min(interval, heartbeat)
        self._monotonic = monotonic
        self._beaten: dict[str, float] = {}
        self.problems: dict[int, str] = {}

    async def run(self) -> None:
        """Follow the live releases until cancelled."""
        while True:
            try:
                await self.look()
            except ExecutorError as error:
                log.warning("registrations_failed", reason=error.message)
            except Exception:  # one odd entry must not end the care for all others
                log.exception("registrations_failed")
            await asyncio.sleep(self._interval)

    async def look(self) -> None:
        """Compare every live release with its entry once; nothing is done while the registry is away."""
        await self._cache.refresh()
        if self._cache.status != "connected":
            return
        names = await self._droplets.names()
        live = {row.droplet_id: row for row in await self._droplets.live_releases()}
        found = _by_id(self._cache.entries)
        left = {e.id: e for e in found.values() if e.id not in live and _is_left(e, names)}
        self._forget(live, left)
        gate = asyncio.Semaphore(_AT_ONCE)
        work = [(key, self._follow(row, names[key], found.get(key))) for key, row in live.items()]
        work += [(key, self._clear(entry)) for key, entry in left.items()]
        await asyncio.gather(*(self._guarded(gate, key, each) for key, each in work))

    async def _guarded(
        self, gate: asyncio.Semaphore, droplet_id: int, work: Coroutine[Any, Any, None]
    ) -> None:
        """One droplet's trouble is none of the others', and is logged once for as long as it is the same."""
        try:
            async with gate:
                await work
        except Exception as error:
            if self.problems.get(droplet_id) != str(error):
                unforeseen = not isinstance(error, ExecutorError)
                log.warning(
                    "registration_failed", droplet_id=droplet_id, reason=str(error), exc_info=unforeseen
                )
            self.problems[droplet_id] = str(error)
        else:
            self.problems.pop(droplet_id, None)

    async def _follow(self, row: ReleaseRow, name: str, found: KnownDroplet | None) -> None:
        build = await self._builds.get(row.build_id)
        if not _settled(build):
            return
        entry = _entry(row, name, build)
        if found is None or not self._registry.stands(found, entry):
            await self._register(row, entry)
            return
        status = _STATUS.get(self._health().get(row.id, ""))
        if status and found.status != status:
            await self._registry.set_status(entry.id, name, status)
        if status == "active" and self._is_due(row.id):
            await self._beat(row, entry, found)

    async def _register(self, row: ReleaseRow, entry: RegistryEntry) -> None:
        """Adopt, refuse or create; the next look goes on from what is written here."""
        told = await capabilities_of(entry.endpoint)
        current = await self._droplets.release(row.id)
        if current is None or (current.state, current.url) != ("live", row.url):
            return
        registered = await self._registry.register(
            replace(entry, metadata={**told.metadata, **entry.metadata})
        )
        log.info("registered_again", droplet=entry.name, created=registered.created, url=entry.endpoint)

    async def _beat(self, row: ReleaseRow, entry: RegistryEntry, found: KnownDroplet) -> None:
        if not await self._registry.heartbeat(found, await load_of(row.url)):
            await self._register(row, entry)
            return
        self._beaten[row.id] = self._monotonic()

    def _is_due(self, release_id: str) -> bool:
        """Half a look early rather than half a look late: 60 s are asked for, with 5 to spare (U14)."""
        last = self._beaten.get(release_id)
        waited = self._heartbeat if last is None else self._monotonic() - last
        return self._registry.ways.beats and waited >= self._heartbeat - self._interval / 2

    async def _clear(self, entry: KnownDroplet) -> None:
        """Take back the entry of a droplet that runs no more; it was written while that was withdrawn."""
        releases = await self._droplets.releases(entry.id)
        if not releases or any(row.state == "live" for row in releases):
            return  # nothing is known of it here, or it lives by now
        if await self._registry.deregister(entry.id, entry.name):
            log.info("deregistered", droplet=entry.name)

    def _forget(self, live: Mapping[int, ReleaseRow], left: Mapping[int, KnownDroplet]) -> None:
        running = {row.id for row in live.values()}
        self._beaten = {key: at for key, at in self._beaten.items() if key in running}
        self.problems = {key: said for key, said in self.problems.items() if key in live or key in left}


def _settled(build: Build) -> bool:
    """Whether no build is about to tell the registry of this release: it has done so, or never will."""
    if build.state is State.WITHDRAWING:
        return False
    return bool(build.facts.get("registered")) or build.state in FINISHED


def _entry(row: ReleaseRow, name: str, build: Build) -> RegistryEntry:
    facts = {**build.facts, "version": row.version, "commit": row.commit_hash}
    return RegistryEntry(row.droplet_id, name, row.url, row.build_id, row.id, told_facts(facts))


def _by_id(entries: Iterable[KnownDroplet]) -> dict[int, KnownDroplet]:
    """One entry for each number; ours where several claim it. What has no number is nobody's of ours."""
    return {e.id: e for e in sorted(entries, key=lambda entry: entry.ours) if e.id}


def _is_left(entry: KnownDroplet, names: Mapping[int, str]) -> bool:
    """An entry of ours that is not withdrawn yet: such a one has no endpoint any more."""
    return entry.ours and bool(entry.endpoint) and names.get(entry.id) == entry.name
