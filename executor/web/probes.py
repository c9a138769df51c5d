"""Is the daemon alive, may it be sent work, and what do its gauges say."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from executor.errors import Unavailable
from executor.web.api import Api
from executor.web.replies import Json

_PROOF_SECONDS = 5.0


class Probes:
    """GET /livez, /readyz, /metrics."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._proved_at: float | None = None
        self._registry: Any = None

    async def livez(self, _: Request) -> Response:
        """The loop turns."""
        return Json(b'{"status":"alive"}')

    async def readyz(self, _: Request) -> Response:
        """It takes work: not draining, and its disk takes writes (proved at most every five seconds)."""
        if self._api.live.draining:
            raise Unavailable("The daemon is stopping.", hint="Ask again in a moment.", code="DRAINING")
        now = time.monotonic()
        if self._proved_at is None or now - self._proved_at >= _PROOF_SECONDS:
            await self._api.store.database.write(_prove)
            self._proved_at = now
        return Json({"status": "ready", "builds": dict(self._api.live.counts())})

    async def metrics(self, _: Request) -> Response:
        """The gauges in Prometheus' text form."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415 - at first use

        if self._registry is None:
            self._registry = _registry(self)
        return Response(generate_latest(self._registry), headers={"content-type": CONTENT_TYPE_LATEST})

    def collect(self) -> Iterable[Any]:
        """The collector protocol of prometheus_client."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - at first use

        builds = GaugeMetricFamily("fpai_builds", "Unfinished builds.", labels=["condition"])
        for condition, count in self._api.live.counts().items():
            builds.add_metric([condition], count)
        yield builds
        traffic = self._api.traffic
        yield CounterMetricFamily("fpai_http_requests", "HTTP requests answered.", value=traffic.requests)
        yield CounterMetricFamily(
            "fpai_http_failures", "HTTP requests answered with 5xx.", value=traffic.failures
        )
        yield CounterMetricFamily(
            "fpai_http_request_seconds", "Seconds spent on HTTP requests.", value=traffic.seconds
        )
        yield GaugeMetricFamily("fpai_watchers", "Open event streams.", value=len(self._api.watchers))
        yield GaugeMetricFamily(
            "fpai_draining", "1 while the daemon stops.", value=int(self._api.live.draining)
        )
        yield GaugeMetricFamily("fpai_start_time_seconds", "When it started.", value=self._api.started_at)


def _registry(probes: Probes) -> Any:
    from prometheus_client import CollectorRegistry, ProcessCollector  # noqa: PLC0415 - at first use

    registry = CollectorRegistry()
    registry.register(probes)
    ProcessCollector(registry=registry)
    return registry


def _prove(connection: sqlite3.Connection) -> None:
    """Write a page without changing anything: setting the version to itself goes through the whole commit."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute(f"PRAGMA user_version = {int(version)}")
