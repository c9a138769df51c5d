"""Logging in on the page: the daemon's token against a session cookie."""

from __future__ import annotations

import hmac
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from executor.web.forms import Form, read_form
from executor.web.session import Sessions

_MOST_FAILURES = 10
_WINDOW_SECONDS = 60.0
Render = Callable[..., Response]


class Login:
    """GET and POST /login, POST /logout. `render` fills a template: name, status, values."""

    def __init__(self, sessions: Sessions, token: str, render: Render) -> None:
        self._sessions = sessions
        self._token = token
        self._render = render
        self._failures: deque[float] = deque(maxlen=_MOST_FAILURES)

    async def form(self, request: Request) -> Response:
        """The form that asks for the token."""
        return self._shown(request, 200, "", _place(request.query_params.get("next", "")))

    async def enter(self, request: Request) -> Response:
        """Take the token, and go to where the person wanted to.

        After ten wrong ones within a minute it answers 429 to every try until that minute is over.
        """
        form = await read_form(request)
        place = _place(form.get("next", ""))
        now = time.monotonic()
        if len(self._failures) == _MOST_FAILURES and now - self._failures[0] < _WINDOW_SECONDS:
            return self._shown(request, 429, "Too many wrong tokens. Try again in a minute.", place)
        if self._token and not hmac.compare_digest(form.get("token", "").encode(), self._token.encode()):
            self._failures.append(now)
            return self._shown(request, 401, "That is not this daemon's token.", place)
        answer = RedirectResponse(place, 303)
        self._sessions.keep(answer, self._sessions.begin())
        return answer

    async def leave(self, _: Request, __: Form) -> Response:
        """End the session."""
        answer = RedirectResponse("/login", 303)
        self._sessions.end(answer)
        return answer

    def _shown(self, request: Request, status: int, problem: str, place: str) -> Response:
        values: dict[str, Any] = {"problem": problem, "place": place, "wants_token": bool(self._token)}
        return self._render(request, "login.html", status, **values)


def _place(wanted: str) -> str:
    """A path of this daemon; anything that a browser might take for another host is the front page."""
    plain = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if plain and "\\" not in wanted else "/"
