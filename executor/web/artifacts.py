"""What a build made and said: SPEC, diff, tests, report, log, turns."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from executor.domain.build import Build
from executor.domain.events import iso
from executor.errors import NotFound
from executor.web import queries
from executor.web.api import Api
from executor.web.bodies import invalid
from executor.web.lookup import find_build
from executor.web.negotiation import preferred
from executor.web.operations import Handler
from executor.web.replies import Json

_JSON = "application/json"
MEDIA = {"spec": "text/markdown", "diff": "text/x-diff", "tests": "text/plain", "report": "text/markdown"}
LEVELS = ("debug", "info", "warning", "error")
_MOST_LINES = 5000


class Artifacts:
    """The routes below one build that only read."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def kind(self, kind: str) -> Handler:
        """The handler of one kind: text as text or, when JSON is liked better, wrapped; JSON as JSON."""

        async def artifact(request: Request) -> Response:
            build = await find_build(self._api, request.path_params["build_id"])
            version = queries.optional_whole(request, "version", low=1)
            found = await self._api.store.builds.artifact(build.id, kind, version)
            if found is None:
                raise _absent(build, kind, version)
            body = str(found["body"])
            document = _as_json(body)
            if document is not None:
                return Json(body.encode())
            if preferred(request, (MEDIA[kind], "text/plain", _JSON)) == _JSON:
                return Json(await self._wrapped(build, kind, found))
            return Response(body, media_type=MEDIA[kind])

        return artifact

    async def log(self, request: Request) -> Response:
        """Log lines after a line; `next` asks for those that follow."""
        build = await find_build(self._api, request.path_params["build_id"])
        after = queries.whole(request, "after", 0)
        limit = queries.whole(request, "limit", 1000, low=1, high=_MOST_LINES)
        search = queries.text(request, "search")
        level = queries.text(request, "level").lower()
        if level and level not in LEVELS:
            raise invalid(["query", "level"], f"one of {', '.join(LEVELS)}")
        lines = await self._api.store.log_lines.page(build.id, after, limit, search, level)
        shown = [log_line(line) for line in lines]
        return Json({"lines": shown, "next": shown[-1]["line"] if shown else after})

    async def turns(self, request: Request) -> Response:
        """Model calls of the build; a build without a model has none."""
        await find_build(self._api, request.path_params["build_id"])
        return Json([])

    async def _wrapped(self, build: Build, kind: str, found: dict[str, Any]) -> dict[str, Any]:
        versions = await self._api.store.builds.artifact_versions(build.id, kind)
        return {
            "build_id": build.id,
            "kind": kind,
            "version": found["version"],
            "created_at": iso(found["at"]),
            "meta": found["meta"],
            kind: found["body"],
            "versions": [{**v, "at": iso(v["at"])} for v in versions],
        }


def log_line(row: dict[str, Any]) -> dict[str, Any]:
    """A log line as callers see it."""
    return {
        "line": row["line"],
        "step": row["step"],
        "attempt": row["attempt"],
        "level": row["level"],
        "text": row["text"],
        "timestamp": iso(row["at"]),
    }


def _as_json(body: str) -> Any:
    if not body.startswith(("{", "[")):
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None


def _absent(build: Build, kind: str, version: int | None) -> NotFound:
    which = f"version {version} of its {kind}" if version is not None else f"no {kind} yet"
    has_not = f"has no {which}" if version is not None else f"has {which}"
    return NotFound(
        f"Build {build.id} {has_not}; it is {build.state} in step {build.step}, {build.step_name}.",
        hint=f"Follow it with `fpai watch {build.id}`.",
        code=f"{kind.upper()}_NOT_FOUND",
    )
