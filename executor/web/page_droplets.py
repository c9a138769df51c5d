"""The built-in registry as a page: every droplet with its releases, address and health."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from executor.web.api import Api
from executor.web.droplets import droplet_document
from executor.web.pages import Pages


class DropletsPage:
    """GET /droplets."""

    def __init__(self, api: Api, pages: Pages) -> None:
        self._api = api
        self._pages = pages

    async def show(self, request: Request) -> Response:
        """The page."""
        rows = await self._api.store.droplets.all()
        droplets = [droplet_document(row, self._api.health_of) for row in rows]
        return self._pages.render(request, "droplets.html", droplets=droplets)
