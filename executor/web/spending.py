"""Model calls and money: the turns of one build, and what all builds together came to."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from executor.domain.events import iso
from executor.store.spending import spending
from executor.store.turns_read import TurnsRead
from executor.web.api import Api
from executor.web.lookup import find_build
from executor.web.replies import Json

# The architect's success criteria: more than 80 % of builds succeed, each in less than two hours.
WANTED = {"success_rate": 0.8, "elapsed_seconds": 7200}


class Spending:
    """The routes that tell what models did and cost."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._turns = TurnsRead(api.store.database)

    async def turns(self, request: Request) -> Response:
        """Model calls of the build, in order; a build without a model has none."""
        build = await find_build(self._api, request.path_params["build_id"])
        return Json([turn_document(row) for row in await self._turns.of_build(build.id)])

    async def cost(self, _: Request) -> Response:
        """Sums over the whole history by who built, beside what the architect wants."""
        sums = await spending(self._api.store.database)
        return Json({"wanted": WANTED, **{who: found.shown() for who, found in sums.items()}})


def turn_document(row: dict[str, Any]) -> dict[str, Any]:
    """A turn as callers see it."""
    return {
        "number": row["number"],
        "conversation": row["conversation"],
        "model": row["model"],
        "state": row["state"],
        "asked_at": iso(row["asked_at"]),
        "seconds": row["seconds"],
        "stop_reason": row["stop_reason"],
        "error": row["error"],
        "tokens": row["tokens"],
        "cost_usd": row["usd"],
        "tool_calls": row["calls"],
    }
