"""The pages: what needs a person, what runs, what was; readable without JavaScript, every value escaped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from executor.domain.build import FINISHED, STEP_NAMES, State
from executor.errors import NotFound
from executor.web.api import Api
from executor.web.artifacts import log_line
from executor.web.lookup import find_build
from executor.web.page_words import filters
from executor.web.session import Sessions
from executor.web.status import StatusDocuments

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
STATIC = HERE / "static"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# Not no-referrer: with it a browser sends `Origin: null` with forms, which could come from anywhere.
_HEADERS = {"content-security-policy": _POLICY, "referrer-policy": "same-origin", "cache-control": "no-store"}
_WAITING = (State.WAITING_APPROVAL, State.WAITING_INPUT)
_MOVING = (State.QUEUED, State.IN_PROGRESS, State.WITHDRAWING, State.WAITING_RETRY)
_HISTORY = 50
_TAIL = 200
_REFRESH_SECONDS = 5


class Pages:
    """GET / and /builds/{build_id}."""

    def __init__(self, api: Api, documents: StatusDocuments, sessions: Sessions) -> None:
        self._api = api
        self._documents = documents
        self._sessions = sessions
        self._environment: Environment | None = None

    async def home(self, request: Request) -> Response:
        """The list in three parts."""
        waiting = await self._page(_WAITING)
        running = await self._page(_MOVING)
        history = await self._page(tuple(FINISHED))
        reviews = [
            d
            for d in history
            if d["status"] == "complete" and (d["review"] or {}).get("decision") == "pending"
        ]
        return self.render(
            request,
            "home.html",
            needs=waiting,
            reviews=reviews,
            running=running,
            history=history,
            refresh=_REFRESH_SECONDS if running else None,
        )

    async def build(self, request: Request) -> Response:
        """One build: status, steps, log, SPEC, tests."""
        try:
            build = await find_build(self._api, request.path_params["build_id"])
        except NotFound as error:
            return self.render(request, "missing.html", 404, message=error.message)
        store = self._api.store
        first = await self._first_of_tail(build.id)
        lines = await store.log_lines.page(build.id, first, _TAIL)
        spec = await store.builds.artifact(build.id, "spec")
        tests = await store.builds.artifact(build.id, "tests")
        events = await store.builds.events(build.id, max(0, build.last_seq - _TAIL), _TAIL)
        return self.render(
            request,
            "build.html",
            build=self._documents.document(build),
            steps=_steps(self._documents.document(build)),
            lines=[log_line(line) for line in lines],
            spec=spec,
            tests=_loaded(tests),
            events=[event.as_json() for event in events],
            refresh=_REFRESH_SECONDS if build.state not in FINISHED else None,
        )

    def render(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """Fill a template; its headers keep foreign scripts and frames out.

        Where no token is wanted, whoever looks gets a session, so that forms have a CSRF token of their own.
        """
        environment = self._environment = self._environment or _environment()
        session = self._sessions.read(dict(request.scope["headers"]))
        is_new = not session and not self._api.settings.server.token
        session = self._sessions.begin() if is_new else session
        base = {
            "version": self._api.version,
            "base_url": self._api.base_url,
            "provider": self._api.provider,
            "csrf": self._sessions.csrf(session) if session else "",
            "can_leave": bool(session and self._api.settings.server.token),
        }
        body = environment.get_template(template).render(**base, **values)
        answer = HTMLResponse(body, status, _HEADERS)
        if is_new:
            self._sessions.keep(answer, session)
        return answer

    async def _page(self, states: tuple[State, ...]) -> list[dict[str, Any]]:
        page = await self._api.store.builds.page(states=states, limit=_HISTORY)
        return [self._documents.document(build) for build in page.builds]

    async def _first_of_tail(self, build_id: str) -> int:
        """The line after which the log's tail begins; lines count from 1 without gaps."""
        return max(0, await self._api.store.log_lines.last(build_id) - _TAIL)


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - loaded at first use

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters())
    return environment


def _steps(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The eight steps with what became of each."""
    done = {row["step"]: row for row in document["steps_completed"]}
    rows = []
    for number, name in enumerate(STEP_NAMES, 1):
        if number in done:
            rows.append(
                {"step": number, "name": name, "state": "done", "seconds": done[number]["duration_seconds"]}
            )
        elif number == document["current_step"] and document["status"] != "complete":
            rows.append({"step": number, "name": name, "state": document["status"], "seconds": None})
        else:
            rows.append({"step": number, "name": name, "state": "ahead", "seconds": None})
    return rows


def _loaded(artifact: Mapping[str, Any] | None) -> Any:
    if artifact is None:
        return None
    try:
        return json.loads(artifact["body"])
    except ValueError:
        return {"text": artifact["body"]}
