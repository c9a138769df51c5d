"""Who may ask: peers, hosts, origins, tokens and content types, checked before anything is routed.

interfaces.md, Access; trust.md: a page in the operator's browser and a release on the same machine are both
able to reach a loopback port, and neither may speak for the operator.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from executor.settings_tables import Server
from executor.web.envelope import Refusal, on_executor_error
from executor.web.listener import WALLED
from executor.web.peers import is_walled_peer
from executor.web.rates import Rate, too_many
from executor.web.session import CSRF_HEADER, Sessions

Headers = Mapping[bytes, bytes]

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_ANY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to
_OPEN_PATHS = frozenset(
    {"/livez", "/readyz", "/health", "/executor/health", "/openapi.json", "/docs", "/login"}
)
_OPEN_PREFIXES = ("/static/", "/hooks/slack", "/a/")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_KNOWN_HOSTS = 256
_BURST_SECONDS = 10
_WRONG_TOKENS = 30
VOICE = "/executor/voice"
# What a form on any page may send without asking first; refused even with nothing in it.
_FORM_TYPES = frozenset({"text/plain", "application/x-www-form-urlencoded", "multipart/form-data"})


class Access:
    """The rules for one configuration. `check` raises Refusal."""

    def __init__(self, server: Server, sessions: Sessions) -> None:
        self._sessions = sessions
        self._token = server.token.encode()
        public = urlsplit(server.public_url)
        own = {server.host} - _ANY_ADDRESS
        named = {_hostname(name) for name in server.allowed_hosts}
        self._hosts = _LOOPBACK_NAMES | own | named | ({public.hostname} if public.hostname else set())
        self._public_origin = f"{public.scheme}://{public.netloc}".lower() if public.hostname else ""
        self._known: dict[bytes, bool] = {}
        self._requests = Rate(server.requests_per_second, server.requests_per_second * _BURST_SECONDS)
        self._wrong_tokens = Rate(_WRONG_TOKENS / 60, _WRONG_TOKENS)

    def check(self, scope: Scope, headers: Headers) -> None:
        """Raise Refusal when this request may not go on."""
        unsafe = scope["type"] == "websocket" or scope["method"] not in _SAFE
        self._check_rate(scope)
        self._check_peer(scope)
        self._check_host(scope, headers)
        self._check_origin(headers, unsafe=unsafe)
        if self._token and not _is_open(scope["path"]):
            self._check_token(scope, headers, unsafe=unsafe)
        if unsafe and scope["type"] == "http":
            _check_content_type(scope["path"], headers)

    def _check_peer(self, scope: Scope) -> None:
        walled = scope.get("state", {}).get(WALLED)
        if walled is None:
            walled = _look_up(scope)
        if walled:
            raise Refusal(
                403,
                "FORBIDDEN_PEER",
                "The caller runs behind the executor's own walls; a release or a test may not use this API.",
            )

    def _check_host(self, scope: Scope, headers: Headers) -> None:
        host = headers.get(b"host", b"")
        allowed = self._known.get(host)
        if allowed is None:
            allowed = _hostname(host.decode("latin-1")) in self._hosts
            if len(self._known) < _KNOWN_HOSTS:
                self._known[host] = allowed
        if not allowed and not _is_own_address(scope, host):
            raise Refusal(
                403,
                "FORBIDDEN_HOST",
                "The Host header names none of the daemon's names.",
                hint="Add the name to [server] allowed_hosts, or set public_url.",
            )

    def _check_origin(self, headers: Headers, *, unsafe: bool) -> None:
        site = headers.get(b"sec-fetch-site", b"none")
        navigates = headers.get(b"sec-fetch-mode") == b"navigate"
        if site not in {b"none", b"same-origin"} and (unsafe or (site == b"cross-site" and not navigates)):
            raise _foreign()
        origin = headers.get(b"origin")
        if origin is not None and unsafe and not self._is_own_origin(origin, headers.get(b"host", b"")):
            raise _foreign()

    def _is_own_origin(self, origin: bytes, host: bytes) -> bool:
        text = origin.decode("latin-1").lower()
        if self._public_origin and text == self._public_origin:
            return True
        scheme, _, netloc = text.partition("://")
        return scheme in {"http", "https"} and bool(netloc) and netloc == host.decode("latin-1").lower()

    def _check_rate(self, scope: Scope) -> None:
        if wait := self._requests.spend(scope):
            message = "This address asks for more than the daemon gives one address in a second."
            hint = "Come again after Retry-After seconds, or raise [server] requests_per_second."
            raise too_many("TOO_MANY_REQUESTS", message, hint, wait)

    def _check_token(self, scope: Scope, headers: Headers, *, unsafe: bool) -> None:
        """Whoever has been wrong too often is not compared any more for a while, right or wrong."""
        if wait := self._wrong_tokens.spend(scope, 0):
            message = "Too many wrong tokens came from this address."
            raise too_many("TOO_MANY_WRONG_TOKENS", message, "Come again after Retry-After seconds.", wait)
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token):
            return
        if scheme or not self._has_session(headers, scope["path"], unsafe=unsafe):
            if scheme:
                self._wrong_tokens.spend(scope)
            raise Refusal(
                401,
                "UNAUTHORIZED",
                "This daemon wants its token, and the request had none or another one.",
                hint="Send Authorization: Bearer TOKEN; the token is [server] token of executor.toml.",
                headers={"www-authenticate": "Bearer"},
            )

    def _has_session(self, headers: Headers, path: str, *, unsafe: bool) -> bool:
        """True for the page's own: it may read all, and change what it sends the CSRF token along with.

        The forms of the page carry that token in their body, where their own handlers look for it (forms.py).
        """
        session = self._sessions.read(headers)
        if not session or not unsafe or not _is_api(path):
            return bool(session)
        given = headers.get(CSRF_HEADER, b"").decode("latin-1")
        return self._sessions.is_csrf(session, given)


class AccessMiddleware:
    """Applies Access to every request and WebSocket."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] != "lifespan":
            try:
                self._access.check(scope, scope["fpai.headers"])
            except Refusal as refusal:
                if refusal.code == "UNAUTHORIZED" and _is_page(scope, scope["fpai.headers"]):
                    place = quote(scope["path"])
                    await RedirectResponse(f"/login?next={place}", 303)(scope, receive, send)
                    return
                await _refuse(scope, receive, send, refusal)
                return
        await self._app(scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send, refusal: Refusal) -> None:
    if scope["type"] == "websocket":
        websocket = WebSocket(scope, receive, send)
        await receive()  # the handshake's own message; the denial answers it
        await on_executor_error(websocket, refusal)
        return
    response = await on_executor_error(Request(scope), refusal)
    if response is not None:
        await response(scope, receive, send)


def _look_up(scope: Scope) -> bool:
    client, server = scope.get("client"), scope.get("server")
    if not client or not server or server[1] is None:
        return False  # a unix socket: whoever may open it is decided by its directory's mode
    return is_walled_peer((client[0], client[1]), (server[0], server[1]))


def _is_api(path: str) -> bool:
    return path.startswith("/executor/") or path == "/message"


def _is_page(scope: Scope, headers: Headers) -> bool:
    """True when a person looks for a page, who is better sent to the login than shown a refusal."""
    is_read = scope["type"] == "http" and scope["method"] in _SAFE
    return is_read and not _is_api(scope["path"]) and b"text/html" in headers.get(b"accept", b"")


def _is_open(path: str) -> bool:
    return path in _OPEN_PATHS or path.startswith(_OPEN_PREFIXES)


def _is_own_address(scope: Scope, host: bytes) -> bool:
    """True for the very address that the connection came to: no rebound name can be an address."""
    server = scope.get("server")
    return bool(host) and server is not None and _hostname(host.decode("latin-1")) == server[0]


def _hostname(netloc: str) -> str:
    """`LOCALHOST:8400` is localhost, `[::1]:8400` is ::1."""
    name = netloc.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.rpartition(":")[0] if name.count(":") == 1 else name


def _check_content_type(path: str, headers: Headers) -> None:
    if not _is_api(path):
        return
    content_type = headers.get(b"content-type", b"").decode("latin-1").lower()
    media, _, parameters = content_type.partition(";")
    is_empty = headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers
    if is_empty and media.strip() not in _FORM_TYPES:
        return
    if path == VOICE:
        return  # its handler says which kinds of audio it takes; none of them can be sent by a form
    charset = parameters.strip().removeprefix("charset=").strip('"')
    if media.strip() != "application/json" or charset not in {"", "utf-8", "utf8"}:
        raise _not_json()


def _not_json() -> Refusal:
    return Refusal(
        415,
        "UNSUPPORTED_MEDIA_TYPE",
        "The body has to be JSON in UTF-8, and the Content-Type has to say so.",
        hint="Send Content-Type: application/json.",
    )


def _foreign() -> Refusal:
    return Refusal(
        403,
        "FORBIDDEN_ORIGIN",
        "The request was sent by a page that is not the daemon's own.",
        hint="Use the daemon's page, fpai or curl; set public_url when a proxy serves the daemon.",
    )
