"""Keeps live releases live: adopts those that outlived the daemon, starts again what a reboot ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

import aiohttp
import structlog

from executor.errors import ExecutorError
from executor.sandbox.places import Places
from executor.store.droplets import Droplets, ReleaseRow
from executor.targets.base import Release
from executor.targets.choice import TargetChoice
from executor.targets.proving import bounded_body, wrong_body

log = structlog.get_logger(__name__)
_PROBE_SECONDS = 3.0


def kept_release(row: ReleaseRow, droplet_name: str, places: Places, env: Mapping[str, str]) -> Release:
    """A release whose files the target still has, so that it starts again without a source."""
    source = places.release(droplet_name, row.id) / "source"
    return Release(
        id=row.id,
        build_id=row.build_id,
        droplet_id=row.droplet_id,
        droplet_name=droplet_name,
        version=row.version,
        commit=row.commit_hash,
        source=source,
        requirements=source / "requirements.txt",
        env=dict(env),
    )


class ReleaseKeeper:
    """Looks at every live release each `interval` seconds; `health` is what it saw last."""

    def __init__(
        self,
        *,
        droplets: Droplets,
        targets: TargetChoice,
        places: Places,
        env: Mapping[str, str],
        session: aiohttp.ClientSession,
        clock: Callable[[], float],
        interval: float = 5.0,
    ) -> None:
        self._droplets = droplets
        self._targets = targets
        self._places = places
        self._env = env
        self._session = session
        self._clock = clock
        self._interval = interval
        self.health: dict[str, str] = {}
        self._silent: dict[str, float] = {}
        self._said: dict[str, str] = {}

    async def run(self) -> None:
        """Look after the releases until cancelled."""
        while True:
            try:
                await self.look()
            except ExecutorError as error:
                log.warning("keeper_failed", reason=error.message)
            except Exception:  # one odd release must not end the care for all others
                log.exception("keeper_failed")
            await asyncio.sleep(self._interval)

    async def look(self) -> None:
        """Look once at every live release."""
        names = await self._droplets.names()
        live = await self._droplets.live_releases()
        for gone in set(self.health) - {row.id for row in live}:
            del self.health[gone]
            self._silent.pop(gone, None)
            self._said.pop(gone, None)
        for row in live:
            self.health[row.id] = await self._probe(row)
            if self.health[row.id] == "active":
                self._silent.pop(row.id, None)
                continue
            since = self._silent.setdefault(row.id, self._clock())
            if self._clock() - since >= self._targets.named(row.target).revive_after:
                await self._keep(row, names[row.droplet_id])
                self.health[row.id] = await self._probe(row)

    async def _keep(self, row: ReleaseRow, name: str) -> None:
        release = kept_release(row, name, self._places, self._env)
        try:
            moved = await self._revived(row, release)
        except (ExecutorError, OSError) as error:
            if self._said.get(row.id) != str(error):
                log.error("release_down", release=row.id, reason=str(error))
            self._said[row.id] = str(error)
            return
        self._said.pop(row.id, None)
        if moved is not None:
            log.info("release_restarted", release=row.id, url=moved.url)

    async def _revived(self, row: ReleaseRow, release: Release) -> ReleaseRow | None:
        """Start it again unless it is up where it is said to be; None when there is nothing to do."""
        target = self._targets.named(row.target)
        found = await target.find(release)
        if found is not None and found.url == row.url:
            return None
        # Up but elsewhere: whoever started it was killed, or gave up waiting, before noting so.
        log.info("release_restarting", release=row.id, droplet=release.droplet_name, up=found is not None)
        async with target.held(release.droplet_name, row.build_id):
            if not await self._is_live(row):
                return None
            running = await target.start(release)
            await target.prove(running, release)
            await target.switch(running, release)
            moved = replace(row, url=running.url, handle=running.handle, updated_at=self._clock())
            await self._droplets.relocate(moved)
            if not await self._is_live(row):
                # Superseded or withdrawn while it started: whoever did that found nothing to stop.
                await target.stop(running.handle)
                return None
        return moved

    async def _is_live(self, row: ReleaseRow) -> bool:
        current = await self._droplets.release(row.id)
        return current is not None and current.state == "live"

    async def _probe(self, row: ReleaseRow) -> str:
        current = await self._droplets.release(row.id)
        url = current.url if current else row.url
        timeout = aiohttp.ClientTimeout(total=_PROBE_SECONDS)
        try:
            async with self._session.get(f"{url}/health", timeout=timeout, allow_redirects=False) as answer:
                body = await bounded_body(answer.content)
                ours = answer.status == 200 and wrong_body(body, row.id) is None
                return "active" if ours else "error"
        except ValueError:
            return "error"
        except (aiohttp.ClientError, TimeoutError, OSError):
            return "unreachable"
