"""One hidden test carried out against a running service."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from executor.checks.acceptance_judge import unmet
from executor.checks.acceptance_values import MISSING, found
from executor.checks.probe import Answer, Probe
from executor.domain.acceptance import Call, Miss, Scenario, ScenarioResult
from executor.domain.acceptance_names import Names
from executor.domain.findings import shown_text

_PLACE = re.compile(r"^https?://[^/]*", re.IGNORECASE)
_BODY_SENT, _BODY_SEEN, _BEFORE, _PRINTED = 300, 400, 6, 500


async def carried_out(scenario: Scenario, probe: Probe, printed: Callable[[], str]) -> ScenarioResult:
    """Make its calls in order until one misses. `printed` is what the service wrote, shown where it broke."""
    unique = "u" + hashlib.sha256(scenario.key.encode()).hexdigest()[:8]
    names = Names(unique, datetime.now(UTC))
    before: list[str] = []
    for call in scenario.calls:
        await asyncio.sleep(call.wait)
        sent, answer = await _asked(call, probe, names)
        problems = (*_saved(call, answer, names), *unmet(call, answer, names))
        if problems:
            observed, led = _observed(answer, printed), tuple(before[-_BEFORE:])
            return ScenarioResult(scenario, Miss(sent, observed, problems, led, answered=answer.status > 0))
        before.append(f"{sent} was answered with status {answer.status}")
    return ScenarioResult(scenario)


async def _asked(call: Call, probe: Probe, names: Names) -> tuple[str, Answer]:
    path = _address(call, names)
    body = json.dumps(names.filled(json.loads(call.body))) if call.body else call.raw
    headers = {name: names.text(value) for name, value in call.headers}
    words = shown_text(f"{call.method} {path}" + (f" with {body[:_BODY_SENT]}" if body else ""))
    raw = body.encode("utf-8", "surrogatepass") if body else None
    return words, await probe.ask(call.method, path, raw=raw, headers=headers)


def _address(call: Call, names: Names) -> str:
    """The path with names filled in; an address that a service gave (Location) is cut to its path."""
    if call.path.startswith("${"):
        path = _PLACE.sub("", names.text(call.path))
    else:
        path = names.text(call.path, lambda value: quote(value, safe="", errors="replace"))
    query = urlencode([(name, names.text(value)) for name, value in call.query], errors="replace")
    joined = f"{path}{'&' if '?' in path else '?'}{query}" if query else path
    return joined if joined.startswith("/") else f"/{joined}"


def _saved(call: Call, answer: Answer, names: Names) -> list[str]:
    """Keep what later calls need; tell what was not there."""
    problems = []
    for save in call.save:
        value = found(answer, save.part, save.at)[0]
        if value is MISSING or isinstance(value, list | dict):
            problems.append(f"{save.part} {save.at!r} holds one value: observed {str(value)[:80]}")
        else:
            names.save(save.name, value)
    return problems


def _observed(answer: Answer, printed: Callable[[], str]) -> str:
    if answer.status:
        words = f"status {answer.status}, body {answer.text[:_BODY_SEEN]!r}"
        location = answer.headers.get("location")
        words += f", Location {location[:200]!r}" if location else ""
    else:
        words = answer.problem
    if answer.status >= 500 or not answer.status:
        words += f"; the service's last lines: {printed()[-_PRINTED:]!r}"
    return shown_text(words)
