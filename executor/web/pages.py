"""Filling the page's templates: every value escaped, scripts and styles from this daemon alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from executor.web.api import Api
from executor.web.page_words import filters
from executor.web.session import Sessions

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


class Pages:
    """Renders whole pages, and single parts of them for the live streams."""

    def __init__(self, api: Api, sessions: Sessions) -> None:
        self._api = api
        self._sessions = sessions
        self._environment: Environment | None = None

    def render(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """Fill a template; its headers keep foreign scripts and frames out.

        Where no token is wanted, whoever looks gets a session, so that forms have a CSRF token of their own.
        """
        session = self._session(request)
        is_new = not session and not self._api.settings.server.token
        session = self._sessions.begin() if is_new else session
        answer = HTMLResponse(self._filled(template, request, session, values), status, _HEADERS)
        if is_new:
            self._sessions.keep(answer, session)
        return answer

    def part(self, request: Request, template: str, **values: Any) -> str:
        """The HTML of a part of a page, for the session that looks at it."""
        return self._filled(template, request, self._session(request), values)

    def _session(self, request: Request) -> str:
        return self._sessions.read(dict(request.scope["headers"]))

    def _filled(self, template: str, request: Request, session: str, values: dict[str, Any]) -> str:
        environment = self._environment = self._environment or _environment()
        base = {
            "version": self._api.version,
            "base_url": self._api.base_url,
            "provider": self._api.provider,
            "here": request.url.path,
            "csrf": self._sessions.csrf(session) if session else "",
            "can_leave": bool(session and self._api.settings.server.token),
        }
        return environment.get_template(template).render(**base, **values)


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
