"""The built-in registry as a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from executor.domain.events import iso
from executor.store.droplets import ReleaseRow
from executor.web.api import Api
from executor.web.replies import Json


class Droplets:
    """GET /executor/droplets."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def list(self, _: Request) -> Response:
        """Every droplet with its releases, address and health as last probed."""
        rows = await self._api.store.droplets.all()
        return Json([droplet_document(row, self._api.health_of) for row in rows])


def droplet_document(row: dict[str, Any], health_of: Callable[[str], str]) -> dict[str, Any]:
    """A droplet as callers see it."""
    release = row["release_id"]
    return {
        "droplet_id": row["id"],
        "name": row["name"],
        "url": row["url"],
        "release": release,
        "health": health_of(release) if release else "unknown",
        "updated_at": iso(row["updated_at"]),
        "releases": [_release(item) for item in row["releases"]],
    }


def _release(row: ReleaseRow) -> dict[str, Any]:
    return {
        "release_id": row.id,
        "version": row.version,
        "commit": row.commit_hash,
        "build_id": row.build_id,
        "target": row.target,
        "state": row.state,
        "url": row.url,
        "created_at": iso(row.created_at),
    }
