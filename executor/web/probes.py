"""Is the daemon alive, may it be sent work, and what do its figures say."""

from __future__ import annotations

import sqlite3
import time

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
        """Everything that an operator would alert on, in Prometheus' text form."""
        from prometheus_client import CONTENT_TYPE_LATEST  # noqa: PLC0415 - at first use

        from executor.web.metrics import Metrics  # noqa: PLC0415 - it takes prometheus-client with it

        text = await Metrics(self._api).text()
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})


def _prove(connection: sqlite3.Connection) -> None:
    """Write a page without changing anything: setting the version to itself goes through the whole commit."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute(f"PRAGMA user_version = {int(version)}")
