"""Asking a service that runs behind its walls, over the unix socket that it listens on."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

_LARGEST_BODY = 1 << 20


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a service is waited for, in seconds; one that was silent `silences` times is asked no more."""

    start: float = 25.0
    answer: float = 10.0
    silences: int = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, or why there was none: then `status` is 0. `body` is None unless it is JSON."""

    status: int
    headers: Mapping[str, str]
    text: str
    body: Any
    seconds: float
    problem: str = ""

    @property
    def object(self) -> dict[str, Any]:
        """The body if it is a JSON object, else an empty one."""
        return self.body if isinstance(self.body, dict) else {}

    @property
    def words(self) -> str:
        """What came, in a few words for people."""
        return self.problem or f"status {self.status}, body {self.text[:80]!r}"


class Probe:
    """Bounded requests: no redirects, at most 1 MiB of body as it came, never longer than its patience."""

    def __init__(self, session: aiohttp.ClientSession, patience: Patience) -> None:
        self._session = session
        self._patience = patience
        self._silences = 0

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        raw: bytes | None = None,
        token: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; whatever goes wrong is told in the answer. `headers` replace the probe's own."""
        if self._silences >= self._patience.silences:
            return _unanswered(0.0, "not asked, since earlier requests got no answer in time")
        begun = time.monotonic()
        try:
            return await self._ask(method, path, _content(body, raw), _headers(token, headers), begun)
        except TimeoutError:
            self._silences += 1
            return _unanswered(time.monotonic() - begun, f"no answer within {self._patience.answer:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _unanswered(time.monotonic() - begun, f"{type(error).__name__}: {error}")

    async def _ask(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str], begun: float
    ) -> Answer:
        if data is not None:
            headers.setdefault("content-type", "application/json")
        async with self._session.request(
            method, f"http://droplet{path}", data=data, headers=headers, allow_redirects=False
        ) as answer:
            text = (await _bounded(answer.content)).decode("utf-8", "replace")
            received = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, received, text, _json(text), time.monotonic() - begun)


@asynccontextmanager
async def probing(socket: str, patience: Patience) -> AsyncIterator[Probe]:
    """A probe of the service behind `socket`; the caller has made sure that it leads nowhere else."""
    async with aiohttp.ClientSession(
        connector=aiohttp.UnixConnector(path=socket),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=patience.answer),
        auto_decompress=False,  # a few bytes could otherwise become gigabytes here
    ) as session:
        yield Probe(session, patience)


def _unanswered(seconds: float, problem: str) -> Answer:
    return Answer(0, {}, "", None, seconds, problem)


def _headers(token: str, more: Mapping[str, str] | None) -> dict[str, str]:
    headers = {"accept-encoding": "identity"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    return headers | {name.lower(): value for name, value in (more or {}).items()}


def _content(body: object, raw: bytes | None) -> bytes | None:
    return raw if body is None else json.dumps(body).encode()


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    received = bytearray()
    async for chunk in content.iter_chunked(64 << 10):
        received += chunk
        if len(received) > _LARGEST_BODY:
            raise ValueError("the answer is larger than 1 MiB")
    return bytes(received)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
