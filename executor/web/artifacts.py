"""What a build made and said: SPEC, diff, tests, report, log."""

from __future__ import annotations

import asyncio
import difflib
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
            found = await self._asked_for(request, build, kind)
            if kind == "spec" and (against := queries.optional_whole(request, "against", low=1)) is not None:
                return await self._compared(request, build, found, against)
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

    async def _asked_for(self, request: Request, build: Build, kind: str) -> dict[str, Any]:
        """The newest version, or the one that the query names. Raises NotFound."""
        version = queries.optional_whole(request, "version", low=1)
        iteration = queries.optional_whole(request, "iteration", low=1) if kind == "diff" else None
        if iteration is not None:
            version = await self._version_of(build, iteration, version)
        return await self._version(build, kind, version)

    async def _version(self, build: Build, kind: str, version: int | None) -> dict[str, Any]:
        found = await self._api.store.builds.artifact(build.id, kind, version)
        if found is None:
            raise _absent(build, kind, version)
        return found

    async def _version_of(self, build: Build, iteration: int, version: int | None) -> int:
        """The newest diff of an iteration: a build that was sent back may have several of one number."""
        if version is not None:
            raise invalid(["query", "iteration"], "either a version or an iteration is expected, not both")
        known = await self._api.store.builds.artifact_versions(build.id, "diff")
        fitting = [v["version"] for v in known if v["meta"].get("iteration") == iteration]
        if not fitting:
            raise NotFound(
                f"Build {build.id} has no diff of an iteration {iteration}.",
                hint=f"`fpai diff {build.id} --list` shows which there are.",
                code="DIFF_NOT_FOUND",
            )
        return int(fitting[-1])

    async def _compared(self, request: Request, build: Build, found: dict[str, Any], than: int) -> Response:
        """What a SPEC changed over an earlier version, as a unified diff."""
        before = await self._version(build, "spec", than)
        # Long SPECs take long to compare, and the loop serves others meanwhile.
        diff = await asyncio.to_thread(unified, before, found)
        media = MEDIA["diff"]
        if preferred(request, (media, "text/plain", _JSON)) != _JSON:
            return Response(diff, media_type=media)
        document = {"build_id": build.id, "kind": "spec", "version": found["version"], "against": than}
        return Json({**document, "diff": diff})

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


def unified(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What one version of a SPEC changed over another, as a unified diff."""
    names = (f"SPEC version {before['version']}", f"SPEC version {after['version']}")
    old, new = (f"{row['body'].rstrip()}\n".splitlines(keepends=True) for row in (before, after))
    return "".join(difflib.unified_diff(old, new, *names))


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
