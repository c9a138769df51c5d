"""Proving that a started release is the one that answers, before anything is switched to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp

_ONE_PROBE = 2.0
_BODY_BYTES = 64 << 10
_PAUSE = 0.05
_LONGEST_PAUSE = 0.3


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of the probing: `problem` in words if not proven, `ended` if the release is gone."""

    proven: bool
    problem: str = ""
    ended: bool = False


async def probe_until(
    url: str,
    release_id: str,
    *,
    probes: int,
    deadline: float,
    alive: Callable[[], Awaitable[bool]],
    spacing: float = _PAUSE,
) -> Proof:
    """Ask /health until it reports `release_id` that many times in a row, the release ends, or the deadline.

    `deadline` is in seconds from now, `spacing` in seconds between good answers. Redirects are not followed
    and at most 64 KiB of a body are read.
    """
    loop = asyncio.get_running_loop()
    until, pause, streak, problem = loop.time() + deadline, _PAUSE, 0, "it never answered"
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=min(_ONE_PROBE, deadline))
    ) as session:
        while loop.time() < until:
            wrong = await _probe(session, f"{url}/health", release_id)
            if wrong is not None and not await alive():
                return Proof(False, "it ended", ended=True)
            problem, streak = (problem, streak + 1) if wrong is None else (wrong, 0)
            if streak >= probes:
                return Proof(True)
            await asyncio.sleep(pause)
            pause = spacing if streak else min(pause * 1.3, _LONGEST_PAUSE)
    return Proof(False, f"within {deadline:g} s {problem}", ended=not await alive())


async def _probe(session: aiohttp.ClientSession, url: str, release_id: str) -> str | None:
    try:
        async with session.get(url, allow_redirects=False) as answer:
            body = await bounded_body(answer.content)
            status = answer.status
    except TimeoutError:
        return "/health was asked and did not answer in time"
    except (aiohttp.ClientError, ConnectionError, ValueError) as error:
        return f"/health could not be asked ({type(error).__name__})"
    if status != 200:
        return f"/health answered {status}"
    return wrong_body(body, release_id)


async def bounded_body(content: aiohttp.StreamReader) -> bytes:
    """Read a health report; raises ValueError when it is longer than 64 KiB."""
    body = b""
    while chunk := await content.read(_BODY_BYTES):
        body += chunk
        if len(body) > _BODY_BYTES:
            raise ValueError("the body is larger than any health report")
    return body


def wrong_body(body: bytes, release_id: str) -> str | None:
    """Return in words why this is not the health report of that release, None if it is."""
    try:
        report = json.loads(body)
    except ValueError:
        return "/health answered something that is not JSON"
    told = report.get("release") if isinstance(report, dict) else None
    return None if told == release_id else f"/health reported release {told!r} instead of {release_id!r}"
