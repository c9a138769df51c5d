"""JSON over HTTP to another service: one attempt, a time limit, a capped body, errors sorted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from executor.errors import Conflict, Permanent, Transient
from executor.redaction import hidden

MOST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Reply:
    """A status that the caller accepts, with the JSON object of the body (empty when there is none).

    `items` is the body of a call that allows a list and was answered with one.
    """

    status: int
    body: Mapping[str, Any]
    items: tuple[Any, ...] | None = None


class JsonService:
    """One service at one address. The session is shared, passed in, and closed by whoever made it.

    `headers` go with every request; `credential` names the secret that a 401 or 403 asks for.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        *,
        name: str,
        setting: str,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        credential: str = "",
        timeout: float = 10.0,
    ) -> None:
        self._session = session
        self._base = base_url.rstrip("/")
        self._name = name
        self._setting = setting
        self._headers = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        self._credential = credential
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        accept: tuple[int, ...] = (200,),
        listed: bool = False,
    ) -> Reply:
        """Make one request and return the reply if its status is in `accept`.

        Raises Transient for no connection, no answer in time, 429 and 5xx; Conflict for 409; Permanent for
        every other status, a redirect (never followed), a body over 4 MiB or one that is no JSON object
        (with `listed`, a JSON list will do).
        """
        try:
            async with self._session.request(
                method,
                self._base + path,
                json=body,
                headers=self._headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                text = await self._text(response)
        except (aiohttp.InvalidURL, aiohttp.ClientSSLError) as error:
            raise self._permanent(f"cannot be addressed ({type(error).__name__}: {error})") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._transient(f"does not answer ({type(error).__name__})") from error
        if response.status in accept:
            return self._reply(response.status, text, listed)
        raise self._refusal(response, text)

    async def _text(self, response: aiohttp.ClientResponse) -> bytes:
        parts = bytearray()
        async for chunk in response.content.iter_chunked(1 << 16):
            parts += chunk
            if len(parts) > MOST_BYTES:
                raise self._permanent(f"answers more than {MOST_BYTES >> 20} MiB")
        return bytes(parts)

    def _reply(self, status: int, text: bytes, listed: bool) -> Reply:
        if not text.strip():
            return Reply(status, {})
        try:
            body = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._permanent("answers something that is not JSON") from error
        if listed and isinstance(body, list):
            return Reply(status, {}, tuple(body))
        if not isinstance(body, dict):
            raise self._permanent("answers JSON that is not an object")
        return Reply(status, body)

    def _refusal(self, response: aiohttp.ClientResponse, text: bytes) -> Exception:
        # Hidden before it is cut: of a secret that is cut in two, neither half would be known.
        status, said = response.status, hidden(text.decode("utf-8", "replace").strip())[:300]
        if status == 429 or status >= 500:
            return self._transient(f"answers {status}: {said}", _seconds(response.headers.get("Retry-After")))
        if status == 409:
            return Conflict(f"The {self._name} refuses with 409: {said}", hint=f"See {self._setting}.")
        if status in (401, 403) and self._credential:
            return Permanent(
                f"The {self._name} answers {status}: {said}",
                hint=f"Set the secret {self._credential} to what it accepts, then restart the daemon.",
            )
        if 300 <= status < 400:
            return self._permanent(f"answers with a redirect ({status}), which is not followed")
        return self._permanent(f"answers {status}: {said}")

    def _transient(self, what: str, retry_after: float | None = None) -> Transient:
        return Transient(
            f"The {self._name} {what}.",
            hint=f"The step is tried again by itself; {self._setting} names the address.",
            retry_after=retry_after,
        )

    def _permanent(self, what: str) -> Permanent:
        return Permanent(
            f"The {self._name} {what}.", hint=f"Is the address in {self._setting} that of a {self._name}?"
        )


def _seconds(retry_after: str | None) -> float | None:
    """The wait in seconds that a Retry-After header asks for; its date form is not used by these services."""
    return float(retry_after) if retry_after and retry_after.strip().isdecimal() else None
