"""Keeps a Dashboard up to date: the newest state of each build that it has not seen, and nothing older."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from executor.domain.build import Build
from executor.domain.events import iso
from executor.engine.live import Live
from executor.engine.reports import status_word
from executor.errors import ExecutorError
from executor.store.repository import Builds

log = structlog.get_logger(__name__)

_MOST_UNSEEN = 1000
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class Shows(Protocol):
    """The Dashboard."""

    async def show(self, event: Mapping[str, Any]) -> None:
        """Send one event."""
        ...


class DashboardFeed:
    """`note` takes every commit and never waits; `run` sends. While the Dashboard is away the newest state of
    each build replaces the ones before, and beyond a thousand builds the longest unseen are dropped.
    """

    def __init__(
        self,
        dashboard: Shows,
        builds: Builds,
        live: Live,
        base_url: str,
        first_pause: float = _FIRST_PAUSE,
    ) -> None:
        self._dashboard = dashboard
        self._builds = builds
        self._live = live
        self._base_url = base_url
        self._first_pause = first_pause
        self._unseen: dict[str, Build] = {}
        self._wake = asyncio.Event()
        self.status = "unavailable"

    def note(self, build: Build) -> None:
        """Called after every commit of a build."""
        known = self._unseen.get(build.id)
        if known is None or known.version <= build.version:
            self._unseen[build.id] = build
        while len(self._unseen) > _MOST_UNSEEN:
            self._unseen.pop(next(iter(self._unseen)))
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled, beginning with every unfinished build: who restarted may have missed some."""
        for build in await self._builds.unfinished():
            self.note(build)
        pause = self._first_pause
        while True:
            await self._wake.wait()
            self._wake.clear()
            if await self._send():
                pause = self._first_pause
                continue
            self._wake.set()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _send(self) -> bool:
        """Send what is unseen; False when the Dashboard does not take it."""
        while self._unseen:
            build_id = next(iter(self._unseen))
            build = self._unseen.pop(build_id)
            try:
                await self._dashboard.show(self._event(build))
            except ExecutorError as error:
                self._unseen.setdefault(build_id, build)
                self._seen_as("unavailable", error.message)
                return False
            except Exception:  # a view must never end more than itself
                log.exception("dashboard_failed")
                return False
            self._seen_as("connected", "")
        return True

    def _seen_as(self, status: str, reason: str) -> None:
        if status != self.status and reason:
            log.warning("dashboard_away", reason=reason)
        self.status = status

    def _event(self, build: Build) -> dict[str, Any]:
        address = f"{self._base_url}/executor/builds/{build.id}"
        fraction = self._live.fraction(build.id)
        return {
            "event_type": "build_progress",
            "build_id": build.id,
            "droplet_id": build.droplet_id,
            "droplet_name": build.droplet_name,
            "status": status_word(build.state),
            "step": build.step,
            "step_name": build.step_name,
            "progress_percent": self._live.estimator.percent(build, self._live.now(), fraction),
            "deployment_url": build.facts.get("deployment_url"),
            "error": build.error.get("message") if build.error else None,
            "updated_at": iso(build.updated_at),
            "status_url": f"{address}/status",
            "web_url": f"{self._base_url}/builds/{build.id}",
        }
