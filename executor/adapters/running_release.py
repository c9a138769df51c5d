"""What a running release says of itself, for a registry: what it can do, and how busy it is.

A release is code that a model wrote: redirects are not followed, and only so much is read and passed on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import aiohttp

from executor.adapters.registry_entry import Load

_MOST_READ = 256 << 10
_MOST_TOLD = 16 << 10
_DEEPEST = 8
_SECONDS = aiohttp.ClientTimeout(total=3.0)
# Both variants of ecosystem.md 1.1; `version` and `service_name` are the executor's to tell.
_TOLD = (
    "capabilities",
    "features",
    "dependencies",
    "udc_version",
    "supported_operations",
    "integration_endpoints",
)


@dataclass(frozen=True, slots=True)
class Told:
    """`metadata` is what is passed on; `problem` says in words what is not, empty if nothing."""

    metadata: Mapping[str, Any]
    problem: str = ""


async def capabilities_of(url: str) -> Told:
    """Ask GET /capabilities of the release at `url`; never raises, since no build hangs on it.

    At most 16 KiB of JSON are passed on, the short and general keys first.
    """
    body, problem = await _asked(f"{url.rstrip('/')}/capabilities")
    kept: dict[str, Any] = {}
    left_out = []
    for key in (key for key in _TOLD if key in body):
        if _fits({**kept, key: body[key]}):
            kept[key] = body[key]
        else:
            left_out.append(key)
    if left_out:
        problem = f"GET /capabilities tells more than a registry can be sent: {', '.join(left_out)}"
    return Told(kept, problem)


def _fits(told: Mapping[str, Any]) -> bool:
    """Whether every registry can read it back: small, shallow, valid text, no NaN."""
    try:
        size = len(json.dumps(told, ensure_ascii=False, allow_nan=False).encode())
    except (ValueError, RecursionError):  # UnicodeEncodeError is a ValueError
        return False
    return size <= _MOST_TOLD and _depth(told) <= _DEEPEST


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max((_depth(each) for each in inner), default=0)


async def load_of(url: str) -> Load:
    """The share of a CPU that GET /state reports; it tells memory in megabytes, which is no share."""
    body, _ = await _asked(f"{url.rstrip('/')}/state")
    cpu = body.get("cpu_percent")
    if isinstance(cpu, bool) or not isinstance(cpu, (int, float)) or not isfinite(cpu):
        return Load()
    return Load(cpu=float(cpu))


async def _asked(url: str) -> tuple[Mapping[str, Any], str]:
    """The JSON object at `url`, or an empty one and what was wrong with it."""
    try:
        async with (
            aiohttp.ClientSession(timeout=_SECONDS) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                return {}, f"{url} answered {answer.status}"
            text = await answer.content.read(_MOST_READ + 1)
            while len(text) <= _MOST_READ and (more := await answer.content.read(_MOST_READ)):
                text += more
            if len(text) > _MOST_READ:
                return {}, f"{url} answered more than {_MOST_READ >> 10} KiB"
            body = json.loads(text)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return {}, f"{url} did not answer ({type(error).__name__})"
    except (ValueError, RecursionError):
        return {}, f"{url} answered something that is not JSON"
    return (body, "") if isinstance(body, dict) else ({}, f"{url} answered JSON that is not an object")
