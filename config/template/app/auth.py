"""Who may call: bearer tokens signed with RS256 (UDC 8 and 9)."""

import asyncio
import logging
import time
from typing import Any, Final

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.config import Settings, names
from app.errors import error_response

ALGORITHMS: Final = ["RS256"]
IDENTITY_CLAIMS: Final = ("service_name", "service_id", "droplet_id", "sub")
KEY_TTL_SECONDS: Final = 3600.0
RETRY_SECONDS: Final = 60.0
FETCH_TIMEOUT_SECONDS: Final = 2.0
MAX_KEY_BYTES: Final = 16_384

logger = logging.getLogger(__name__)


def parse_public_key(pem: str) -> RSAPublicKey:
    """Read an RSA public key; `\\n` written as two characters counts as a line break.

    Raises:
        ValueError: The text is not the PEM form of an RSA public key.
    """
    key = load_pem_public_key(pem.replace("\\n", "\n").strip().encode())
    if not isinstance(key, RSAPublicKey):
        raise ValueError("the public key is not an RSA key")
    return key


class KeySource:
    """The key that tokens are checked with: configured, or fetched from the Registry and kept.

    A key once known stays in use while the Registry is away.
    """

    def __init__(self, settings: Settings, client: httpx.AsyncClient) -> None:
        self._client = client
        self._url = f"{settings.registry_url}/auth/public-key" if settings.registry_url else ""
        self._key: RSAPublicKey | None = None
        self._fixed = bool(settings.jwt_public_key)
        if self._fixed:
            self._key = parse_public_key(settings.jwt_public_key)
        self._next_fetch = 0.0
        self._lock = asyncio.Lock()

    @property
    def known(self) -> bool:
        """Whether tokens can be checked now."""
        return self._key is not None

    async def current(self) -> RSAPublicKey | None:
        """Return the key, fetching it when it is due; None if there is none to be had."""
        if self._fixed or not self._url or time.monotonic() < self._next_fetch:
            return self._key
        async with self._lock:
            if time.monotonic() >= self._next_fetch:
                await self._fetch()
        return self._key

    async def _fetch(self) -> None:
        wait = RETRY_SECONDS
        try:
            answer = await self._client.get(self._url, timeout=FETCH_TIMEOUT_SECONDS)
            if answer.status_code == 200:
                self._key = parse_public_key(_pem_of(answer))
                wait = KEY_TTL_SECONDS
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            logger.warning("public_key_not_fetched", extra={"fields": {"reason": str(error)}})
        self._next_fetch = time.monotonic() + wait


def _pem_of(answer: httpx.Response) -> str:
    text = answer.text[:MAX_KEY_BYTES]
    if not text.lstrip().startswith("{"):
        return text
    found = answer.json().get("public_key", "")
    return found if isinstance(found, str) else ""


class AuthMiddleware:
    """Lets a request through when its token is good, or when no key is available.

    401 without a good token, 403 for a service that is not on the list, 503 when tokens are
    required and no key is available.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, keys: KeySource, open_paths: frozenset[str]
    ) -> None:
        self._app = app
        self._keys = keys
        self._open_paths = open_paths
        self._required = settings.auth_required
        self._allowed = names(settings.allowed_services)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] != "http" or scope["path"] in self._open_paths:
            await self._app(scope, receive, send)
            return
        refusal = await self._refusal(scope)
        await (refusal or self._app)(scope, receive, send)

    async def _refusal(self, scope: Scope) -> Response | None:
        key = await self._keys.current()
        if key is None:
            if not self._required:
                return None
            return error_response(503, "No key to check tokens with is available.")
        try:
            claims = read_token(Headers(scope=scope).get("authorization", ""), key)
        except jwt.InvalidTokenError as error:
            return _denied(401, "A valid bearer token is required.", reason=str(error))
        caller = caller_of(claims)
        if self._allowed and caller not in self._allowed:
            return _denied(403, "This service may not call this droplet.", caller=caller)
        logger.debug("auth_accepted", extra={"fields": {"caller": caller}})
        scope.setdefault("state", {})["claims"] = claims
        return None


def read_token(header: str, key: RSAPublicKey) -> dict[str, Any]:
    """Check an Authorization header.

    Args:
        header: Its value, empty if there was none.
        key: The key the token must be signed for.

    Returns:
        The token's claims.

    Raises:
        jwt.InvalidTokenError: Missing, expired, badly signed, unsigned, or by another algorithm.
    """
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise jwt.InvalidTokenError("no bearer token")
    claims = jwt.decode(
        token.strip(),
        key,
        algorithms=ALGORITHMS,
        options={"require": ["exp", "iat"], "verify_aud": False, "verify_sub": False},
    )
    if not caller_of(claims):
        raise jwt.InvalidTokenError("the token names no service")
    return claims


def caller_of(claims: dict[str, Any]) -> str:
    """Return the calling service as its token names it, empty if it does not."""
    return next((str(claims[name]) for name in IDENTITY_CLAIMS if claims.get(name)), "")


def _denied(status: int, message: str, **fields: str) -> Response:
    logger.warning("auth_denied", extra={"fields": {"status": status, **fields}})
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return error_response(status, message, headers=headers)
