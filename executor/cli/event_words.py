"""A build's events as single lines for a log: what a model said and called, what its rounds came to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from executor.cli import words

_NAMES = 3
_WORDS = 110


def event_line(event: Mapping[str, Any]) -> str:
    """The event in words; the daemon's own sentence where its data say no more."""
    told = _TOLD.get(str(event.get("event_type")))
    data = event.get("data")
    said = told(data) if told is not None and isinstance(data, Mapping) else ""
    return " ".join(words.plain(said or event.get("message") or "").split())


def _replied(data: Mapping[str, Any]) -> str:
    if not data.get("turn"):
        return ""
    usd = data.get("usd")
    cost = "price unknown" if usd is None else f"${usd:.4f}"
    said = " ".join(str(data.get("text") or "").split())
    # An answer in a form is for the executor; what came of it is told by the next event.
    said = "" if said.startswith(("{", "[")) else said
    who = str(data.get("conversation") or "").split("-")[0]
    quoted = f" “{said[:_WORDS]}{'…' if len(said) > _WORDS else ''}”" if said else ""
    called = (
        f" → {_named([words.tool(name) for name in data.get('calls') or ()])}" if data.get("calls") else ""
    )
    asked = f" ({who})" if who else ""
    return (
        f"turn {data['turn']}{asked}{quoted}{called} · {words.thousands(data.get('tokens'))} tokens, {cost}"
    )


def _round(data: Mapping[str, Any]) -> str:
    if not data.get("iteration"):
        return ""
    passing, failing = (data.get(key, data.get(f"tests_{key}", 0)) for key in ("passing", "failing"))
    counts = f"{passing} tests pass" + (f", {failing} fail" if failing else "")
    if data.get("green"):
        return f"iteration {data['iteration']}: ✓ green, {counts}"
    failed = data.get("failed") or ()
    return f"iteration {data['iteration']}: ✗ {counts}" + (f"; failing: {_named(failed)}" if failed else "")


def _named(names: Sequence[object]) -> str:
    more = len(names) - _NAMES
    return ", ".join(map(str, names[:_NAMES])) + (f" and {more} more" if more > 0 else "")


_TOLD: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "model_replied": _replied,
    "iteration_finished": _round,
}
