"""Asking a service that runs behind its walls, over the unix socket that it listens on."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from executor.sandbox.base import RunningService

_LARGEST_BODY = 1 << 20
_ANSWER_SECONDS = 10.0
_START_SECONDS = 25.0


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


class Probe:
    """Bounded requests: no redirects, at most 1 MiB of body, at most 10 s."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(
        self, method: str, path: str, *, body: object = None, raw: bytes | None = None, token: str = ""
    ) -> Answer:
        """Send one request; whatever goes wrong is told in the answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        data = raw
        if body is not None or raw is not None:
            headers["Content-Type"] = "application/json"
            data = raw if raw is not None else json.dumps(body).encode()
        begun = time.monotonic()
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        try:
            async with self._session.request(
                method,
                f"http://droplet{path}",
                data=data,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                content = await _bounded(answer.content)
                status, received = answer.status, {k.lower(): v for k, v in answer.headers.items()}
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Answer(0, {}, "", None, time.monotonic() - begun, f"{type(error).__name__}: {error}")
        text = content.decode("utf-8", "replace")
        return Answer(status, received, text, _json(text), time.monotonic() - begun)


@asynccontextmanager
async def probing(socket: Path) -> AsyncIterator[Probe]:
    """A probe of the service behind `socket`, whose path has been checked to be one."""
    connector = aiohttp.UnixConnector(path=str(socket))
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Probe(session)


async def until_up(socket: Path, service: RunningService) -> str:
    """Wait until the service answers on its socket; returns what is wrong, or an empty string."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if service.exited:
            return f"the service ended while starting: {service.output()[-800:]}"
        if _is_socket(socket):
            async with probing(socket) as probe:
                if (await probe.ask("GET", "/health")).status:
                    return ""
        await asyncio.sleep(0.03)
    return f"the service did not answer within {_START_SECONDS:.0f} s: {service.output()[-800:]}"


def _is_socket(path: Path) -> bool:
    """A link that the service planted could lead anywhere: only a socket itself is spoken to."""
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return False


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
