"""Whom a build has told of what: the notices of its channels, sent, waiting or given up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from executor.domain.events import iso
from executor.web.api import Api
from executor.web.lookup import find_build
from executor.web.replies import Json

_NOTICES = "notify"  # the kind of outbox rows that channels are told with: engine/notices.py


class Notifications:
    """The route that tells of deliveries."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def of_build(self, request: Request) -> Response:
        """Notices of the build, in the order of their writing; none where it names no channel."""
        build = await find_build(self._api, request.path_params["build_id"])
        rows = await self._api.store.outbox.of_build(build.id)
        return Json([notification_document(row) for row in rows if row["kind"] == _NOTICES])


def notification_document(row: Mapping[str, Any]) -> dict[str, Any]:
    """One notice to one channel as callers see it; `reason` is why the last try failed."""
    waits = row["sent_at"] is None and row["gave_up_at"] is None
    return {
        "channel": row["address"],
        "about": row["about"],
        "state": "waiting" if waits else "told" if row["gave_up_at"] is None else "given_up",
        "created_at": iso(row["created_at"]),
        "told_at": _moment(row["sent_at"]),
        "gave_up_at": _moment(row["gave_up_at"]),
        "next_try_at": iso(row["next_at"]) if waits and row["attempts"] else None,
        "attempts": row["attempts"],
        "reason": row["reason"],
    }


def _moment(at: float | None) -> str | None:
    return None if at is None else iso(at)
