"""What each tab of a build's page shows: log, diff, SPEC, tests, turns, deploy, events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request

from executor.domain.build import Build
from executor.domain.events import iso
from executor.store.turns_read import TurnsRead
from executor.web.api import Api
from executor.web.artifacts import LEVELS, log_line, unified
from executor.web.page_diff import diff_values
from executor.web.spending import turn_document

TABS = {
    "log": "Log",
    "diff": "Diff",
    "spec": "SPEC",
    "tests": "Tests",
    "turns": "Turns",
    "deploy": "Deploy",
    "events": "Events",
}
TAIL = 200
Values = dict[str, Any]
Tab = Callable[[Request, Build], Awaitable[Values]]


class Tabs:
    """Values for templates/tabs/NAME.html. A number in the address that makes no sense counts as left out."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._turns_read = TurnsRead(api.store.database)
        self._tabs: Mapping[str, Tab] = {
            "log": self._log,
            "diff": self._diff,
            "spec": self._spec,
            "tests": self._tests,
            "turns": self._turns,
            "deploy": self._deploy,
            "events": self._events,
        }

    async def values(self, tab: str, request: Request, build: Build) -> Values:
        """What the tab shows of this build."""
        return await self._tabs[tab](request, build)

    async def _log(self, request: Request, build: Build) -> Values:
        level, search = log_filter(request)
        last = await self._api.store.log_lines.last(build.id)
        asked = _number(request, "after")
        after = asked if asked is not None else (0 if level or search else max(0, last - TAIL))
        lines = await self._api.store.log_lines.page(build.id, after, TAIL, search, level)
        shown = [log_line(line) for line in lines]
        newest = shown[-1]["line"] if shown else after
        is_whole = len(shown) < TAIL or newest == last
        return {
            "lines": shown,
            "last_line": last if is_whole else newest,
            "line_count": last,
            "earlier": max(0, after - TAIL) if after and not (level or search) else None,
            "later": None if is_whole else newest,
            "level": level,
            "search": search,
            "levels": LEVELS,
        }

    async def _diff(self, request: Request, build: Build) -> Values:
        found, versions = await self._artifact(build, "diff", _number(request, "version"))
        values = await asyncio.to_thread(diff_values, str(found["body"]) if found else "")
        return {"diff": values, "shown": found, "versions": versions}

    async def _spec(self, request: Request, build: Build) -> Values:
        found, versions = await self._artifact(build, "spec", _number(request, "version"))
        against = _number(request, "against")
        before = await self._api.store.builds.artifact(build.id, "spec", against) if against else None
        compared = await asyncio.to_thread(unified, before, found) if found and before else ""
        return {
            "shown": found,
            "versions": versions,
            "against": before["version"] if before else None,
            "diff": diff_values(compared),
        }

    async def _tests(self, _: Request, build: Build) -> Values:
        found, _versions = await self._artifact(build, "tests", None)
        return {"report": _report(found["body"]) if found else None}

    async def _turns(self, _: Request, build: Build) -> Values:
        return {"turns": [turn_document(row) for row in await self._turns_read.of_build(build.id)]}

    async def _deploy(self, _: Request, build: Build) -> Values:
        rows = await self._api.store.droplets.releases(build.droplet_id)
        releases = [
            {
                "id": row.id,
                "build_id": row.build_id,
                "state": row.state,
                "version": row.version,
                "commit": row.commit_hash,
                "target": row.target,
                "url": row.url,
                "image": row.handle.get("image", ""),
                "created_at": iso(row.created_at),
                "health": self._api.health_of(row.id) if row.state == "live" else "",
            }
            for row in rows
        ]
        own = next((row for row in releases if row["build_id"] == build.id), None)
        live = next((row for row in releases if row["state"] == "live"), None)
        return {"own": own, "releases": releases, "serves": bool(own and live and own["id"] == live["id"])}

    async def _events(self, request: Request, build: Build) -> Values:
        asked = _number(request, "after")
        after = asked if asked is not None else max(0, build.last_seq - TAIL)
        found = await self._api.store.builds.events(build.id, after, TAIL)
        newest = found[-1].seq if found else after
        return {
            "events": [event.as_json() for event in found],
            "earlier": max(0, after - TAIL) if after else None,
            "later": newest if newest < build.last_seq else None,
            "last_event": newest,
        }

    async def _artifact(
        self, build: Build, kind: str, version: int | None
    ) -> tuple[dict[str, Any] | None, list[Values]]:
        """The version that is asked for, else the newest; and what versions there are."""
        versions = await self._api.store.builds.artifact_versions(build.id, kind)
        known = {row["version"] for row in versions}
        wanted = version if version in known else None
        found = await self._api.store.builds.artifact(build.id, kind, wanted)
        return found, [{"version": row["version"], "at": iso(row["at"])} for row in versions]


def log_filter(request: Request) -> tuple[str, str]:
    """The level and the text that the address narrows the log to; empty for all."""
    level = request.query_params.get("level", "")
    search = request.query_params.get("search", "")[:200]
    plain = "".join(c for c in search if c.isprintable() and not "\ud800" <= c <= "\udfff").strip()
    return (level if level in LEVELS else ""), plain


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _report(body: str) -> Values:
    """The Verifier's document; what is none is shown as the text that it is."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("findings"), list):
        return {"text": body, "findings": []}
    order = {"fail": 0, "skip": 1, "note": 2}
    rows = [row for row in found["findings"] if isinstance(row, dict)]
    return {**found, "text": "", "findings": sorted(rows, key=lambda row: order.get(row.get("result"), 3))}
