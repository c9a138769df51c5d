"""Builds: submit, list, status."""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from executor.domain.build import State
from executor.domain.events import iso
from executor.domain.naming import parse_build_id
from executor.web import queries
from executor.web.api import Api, SubmitReply
from executor.web.bodies import digest, invalid, parse, read_json
from executor.web.envelope import request_id_of
from executor.web.lookup import find_build
from executor.web.orders import wanted
from executor.web.replies import Json
from executor.web.schemas import SubmitBody
from executor.web.status import WORD_STATES, StatusDocuments

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_MOST = 200


class Builds:
    """The routes of builds as a whole."""

    def __init__(self, api: Api, documents: StatusDocuments) -> None:
        self._api = api
        self._documents = documents

    async def submit(self, request: Request) -> Response:
        """Store a build and answer at once; with ?dry_run=1 only say what would be built."""
        value = await read_json(request)
        body = parse(SubmitBody, value)
        asked = self._api.submit_request(
            **wanted(body),
            idempotency_key=_key(request),
            body_digest=digest(value),
            request_id=request_id_of(request),
        )
        if queries.flag(request, "dry_run"):
            return Json(await self._api.commands.preview(asked))
        return self._started(await self._api.commands.submit(asked))

    async def list(self, request: Request) -> Response:
        """Builds, newest first, one page at a time."""
        states = _states(request)
        droplet_id = queries.optional_whole(request, "droplet_id", low=1)
        limit = queries.whole(request, "limit", 50, low=1, high=_MOST)
        page = await self._api.store.builds.page(
            states=states, droplet_id=droplet_id, limit=limit, cursor=cursor_of(request)
        )
        headers = {}
        if page.cursor:
            kept = [(k, v) for k, v in request.query_params.multi_items() if k != "cursor"]
            query = urlencode([*kept, ("cursor", page.cursor)])
            headers["link"] = f'<{self._api.base_url}/executor/builds?{query}>; rel="next"'
        return Json([self._documents.document(build) for build in page.builds], headers=headers)

    async def status(self, request: Request) -> Response:
        """Where one build stands."""
        build_id = request.path_params["build_id"]
        build = self._api.store.builds.cached(build_id) or await find_build(self._api, build_id)
        return Json(self._documents.encoded(build))

    def _started(self, reply: SubmitReply) -> Response:
        document = self._documents.document(reply.build)
        body: dict[str, Any] = {
            "build_id": reply.build.id,
            "status": "started",
            "droplet_id": reply.build.droplet_id,
            "droplet_name": reply.build.droplet_name,
            "estimated_completion": iso(reply.estimated_completion),
            "stream_url": document["stream_url"],
            "status_url": document["status_url"],
            "web_url": document["web_url"],
            "warnings": reply.warnings,
        }
        headers = {"location": document["status_url"]}
        if reply.replayed:
            headers["idempotent-replayed"] = "true"
        return Json(body, 202, headers)


def _key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if key and not _KEY.fullmatch(key):
        raise invalid(["header", "Idempotency-Key"], "1 to 255 visible ASCII characters are expected")
    return key


def _states(request: Request) -> tuple[State, ...]:
    words = [w for given in request.query_params.getlist("status") for w in given.split(",") if w]
    for word in words:
        if word not in WORD_STATES:
            raise invalid(["query", "status"], f"one of {', '.join(WORD_STATES)}")
    return tuple(state for word in words for state in WORD_STATES[word])


def cursor_of(request: Request) -> str | None:
    """The cursor of a Link header. Raises Invalid for one that no reply of ours has named."""
    cursor = queries.text(request, "cursor")
    if not cursor:
        return None
    at, _, build_id = cursor.partition("_")
    try:
        usable = math.isfinite(float(at)) and parse_build_id(build_id) is not None
    except ValueError:
        usable = False
    if not usable:
        raise invalid(["query", "cursor"], "the cursor of a Link header is expected")
    return cursor
