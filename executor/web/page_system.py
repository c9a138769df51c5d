"""How the daemon fares: what it leans on and what an outage of that means, its channels, its queue."""

from __future__ import annotations

import shutil
import sqlite3

from starlette.requests import Request
from starlette.responses import Response

from executor.domain.events import iso
from executor.web.api import Api
from executor.web.pages import Pages


class SystemPage:
    """GET /system; /health is the contract's own, for programs."""

    def __init__(self, api: Api, pages: Pages) -> None:
        self._api = api
        self._pages = pages

    async def show(self, request: Request) -> Response:
        """The page."""
        api = self._api
        path = api.store.database.path
        disk = shutil.disk_usage(path.parent)
        backup = api.store.backups.taken_at()
        return self._pages.render(
            request,
            "system.html",
            dependencies=api.dependencies(),
            channels=api.channels,
            counts=api.live.counts(),
            started_at=iso(api.started_at),
            state_dir=str(path.parent),
            free_gib=disk.free / (1 << 30),
            database_mib=path.stat().st_size / (1 << 20),
            backup_at=iso(backup) if backup else "",
            sqlite=sqlite3.sqlite_version,
            draining=api.live.draining,
            watchers=len(api.watchers),
            hears=api.transcriber is not None,
        )
