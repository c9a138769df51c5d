"""The page's session: a signed cookie, and the CSRF token that belongs to it (interfaces.md, Access)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie

from starlette.responses import Response

COOKIE = "fpai_session"
CSRF_FIELD, CSRF_HEADER = "csrf", b"x-csrf-token"
_LIFE_SECONDS = 30 * 24 * 3600


class Sessions:
    """Cookies outlive a restart of the daemon and end with a change of the token.

    `key` is the state directory's, `token` the daemon's own, empty where none is wanted; `secure` is for a
    daemon that is reached over https.
    """

    def __init__(
        self, key: bytes, token: str, *, secure: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        self._key = hmac.new(key, b"session\0" + token.encode(), hashlib.sha256).digest()
        self._secure = secure
        self._clock = clock

    def read(self, headers: Mapping[bytes, bytes]) -> str:
        """The session of a request; empty when there is none, or one that is forged or too old."""
        return self._checked(_cookie(headers.get(b"cookie", b"")))

    def begin(self) -> str:
        """A new session."""
        text = f"{int(self._clock())}.{secrets.token_urlsafe(12)}"
        return f"{text}.{self._mac(text)}"

    def keep(self, response: Response, session: str) -> None:
        """Let the browser keep the session."""
        response.set_cookie(
            COOKIE, session, _LIFE_SECONDS, httponly=True, samesite="strict", secure=self._secure
        )

    def end(self, response: Response) -> None:
        """Let the browser forget it."""
        response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=self._secure)

    def csrf(self, session: str) -> str:
        """What a form or a script of this session has to send along."""
        return self._mac(f"csrf.{session}")

    def is_csrf(self, session: str, given: str) -> bool:
        """True when it is this session's."""
        return bool(session) and hmac.compare_digest(given.encode(), self.csrf(session).encode())

    def _checked(self, cookie: str) -> str:
        text, _, mac = cookie.rpartition(".")
        begun = text.partition(".")[0]
        if not begun.isascii() or not begun.isdigit():
            return ""
        if not hmac.compare_digest(mac.encode(), self._mac(text).encode()):
            return ""
        return cookie if self._clock() - int(begun) < _LIFE_SECONDS else ""

    def _mac(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:40]


def _cookie(header: bytes) -> str:
    try:
        found = SimpleCookie(header.decode("latin-1")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
