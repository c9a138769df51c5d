"""The page of one build: its head, and one tab of what there is to see below it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from executor.domain.build import FINISHED, RUNNABLE, STEP_NAMES, Build, State
from executor.domain.gates import CONSEQUENCES
from executor.errors import NotFound
from executor.web.api import Api
from executor.web.artifacts import log_line
from executor.web.lookup import find_build
from executor.web.page_gates import Evidence
from executor.web.page_tabs import TABS, Tabs, Values
from executor.web.pages import Pages
from executor.web.status import StatusDocuments
from executor.web.timeline import EVENTS, Timeline, timeline

_LAST_LINES = 8
_REFRESH_SECONDS = 5
_RETRIED = frozenset({State.FAILED, State.CANCELLED, State.WAITING_RETRY, State.WAITING_INPUT})


class BuildPage:
    """GET /builds/{build_id}?tab=…; its live half sends parts of it again (live.py)."""

    def __init__(self, api: Api, documents: StatusDocuments, pages: Pages, evidence: Evidence) -> None:
        self._api = api
        self._documents = documents
        self._pages = pages
        self._evidence = evidence
        self._tabs = Tabs(api)

    async def show(self, request: Request, refused: Mapping[str, Any] | None = None) -> Response:
        """The page; `refused` is what came of a form: its status, message, hint, and what was typed."""
        try:
            build = await find_build(self._api, request.path_params["build_id"])
        except NotFound as error:
            return self._pages.render(request, "missing.html", 404, message=error.message)
        tab = tab_of(request)
        values = {**await self.head(build), **await self._tabs.values(tab, request, build)}
        values["after"] = f"{values.get('last_event', build.last_seq)}.{values.get('last_line', 0)}"
        values["live_query"] = _live_query(request, tab, values)
        moves = build.state in RUNNABLE or build.state is State.QUEUED
        return self._pages.render(
            request,
            "build.html",
            int(refused["status"]) if refused else 200,
            tab=tab,
            refused=refused,
            said="" if refused else request.query_params.get("said", "")[:100],
            refresh=_REFRESH_SECONDS if moves else None,
            **{**values, **({"typed": refused["typed"]} if refused else {})},
        )

    async def head(self, build: Build) -> Values:
        """What the part above the tabs shows."""
        document = self._documents.document(build)
        return {
            "build": document,
            "steps": _steps(document),
            "evidence": await self._evidence.of(build),
            "consequences": CONSEQUENCES,
            "timeline": await self._timeline(build),
            "last_lines": await self._last_lines(build) if build.state is State.FAILED else [],
            "is_moving": build.state not in FINISHED,
            "can_retry": build.state in _RETRIED,
            "can_roll_back": build.state in {State.COMPLETE, State.FAILED} and build.has_deployment,
            "step_names": STEP_NAMES[: build.step],
            "tabs": TABS,
            "typed": {},
        }

    async def tab(self, tab: str, request: Request, build: Build) -> Values:
        """What the tab shows."""
        return await self._tabs.values(tab, request, build)

    async def _timeline(self, build: Build) -> Timeline:
        runs = await self._api.store.builds.runs(build.id)
        events = await self._api.store.builds.events_of_types(build.id, EVENTS)
        return timeline(build, runs, events, self._api.live.now())

    async def _last_lines(self, build: Build) -> list[Values]:
        last = await self._api.store.log_lines.last(build.id)
        lines = await self._api.store.log_lines.page(build.id, max(0, last - _LAST_LINES), _LAST_LINES)
        return [log_line(line) for line in lines]


def tab_of(request: Request) -> str:
    """The tab that the address names; the log without a known name."""
    asked = request.query_params.get("tab", "")
    return asked if asked in TABS else "log"


def _live_query(request: Request, tab: str, values: Values) -> str:
    """What the live half has to know; `still` where somebody looks at an earlier page or version."""
    query = request.query_params
    is_still = values.get("later") is not None or bool(query.get("version") or query.get("against"))
    kept = {"tab": tab, "level": values.get("level"), "search": values.get("search")}
    kept["still"] = "1" if is_still else ""
    return urlencode({name: value for name, value in kept.items() if value})


def _steps(document: Mapping[str, Any]) -> list[Values]:
    """The eight steps with what became of each."""
    done = {row["step"]: row["duration_seconds"] for row in document["steps_completed"]}
    rows: list[Values] = []
    for number, name in enumerate(STEP_NAMES, 1):
        is_here = number == document["current_step"] and document["status"] != "complete"
        state = "done" if number in done else document["status"] if is_here else "ahead"
        rows.append({"step": number, "name": name, "state": state, "seconds": done.get(number)})
    return rows
