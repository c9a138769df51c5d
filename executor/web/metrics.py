"""GET /metrics: what an operator would alert on, gathered in a few reads that no history slows down.

It is imported at the first scrape, for it takes prometheus-client with it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import Metric

from executor.store.condition import condition, room
from executor.store.tallies import tallies
from executor.web.api import Api
from executor.web.metrics_builds import build_families
from executor.web.metrics_daemon import Files, daemon_families


class Metrics:
    """Prometheus' text form of the daemon's figures."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def text(self) -> bytes:
        """All metrics as of now. Raises Unavailable or sqlite3.Error when the database cannot be read."""
        store = self._api.store
        sums, waits, files = await asyncio.gather(
            tallies(store.database), condition(store.database), asyncio.to_thread(self._files)
        )
        live = await store.droplets.live_releases()
        health = Counter(self._api.health_of(row.id) for row in live)
        now = self._api.live.now()
        families = [
            *build_families(sums, waits, now, health, self._api.channels),
            *daemon_families(self._api, files),
        ]
        registry = CollectorRegistry()
        registry.register(_Gathered(families))
        ProcessCollector(registry=registry)
        return generate_latest(registry)

    def _files(self) -> Files:
        store = self._api.store
        return Files(room(store.database.path), store.backups.taken_at(), store.backups.last_write())


class _Gathered:
    """The collector protocol of prometheus_client."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
