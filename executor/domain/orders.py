"""Orders in other services' words: where in a message's payload, or in a task, a build is asked for.

Payloads differ (ecosystem.md 1.1, 3.2): the intent may lie at the top, below `task` or `payload`, and a task
of droplet-10 carries its payload as JSON in a string and its words in `title` and `description`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FIELDS = (
    "architect_intent", "droplet_id", "droplet_name", "approval_mode", "notify_channels", "auto_approve",
    "budget_usd", "target",
)  # fmt: skip
_INTENTS = ("architect_intent", "intent")
_WORDS = ("command", "action", "operation", "task_type", "type")
_BUILD = frozenset({"build", "build_droplet", "create_droplet"})
_INSIDE = ("task", "payload", "task_data", "parameters", "params", "data")
# What comes along with an order and is no wish about the build.
_ABOUT = frozenset(
    [
        *(*_INTENTS, *_WORDS, *_INSIDE, "title", "description", "reply_to", "required_capability"),
        *("id", "task_id", "trace_id", "message_id", "status", "created_at", "created_by"),
    ]
)
_DEEPEST = 4
_MOST_SHOWN, _LONGEST_SHOWN = 10, 60


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """A build that is asked for: its fields by our names, each with the place where it was said.

    `unknown` are further words beside them that mean nothing here; `reply_to` and `task_id` are empty if the
    payload does not name them.
    """

    fields: Mapping[str, Any]
    places: Mapping[str, tuple[str, ...]]
    unknown: tuple[str, ...] = ()
    reply_to: Any = ""
    task_id: str = ""


def find_order(payload: Mapping[str, Any]) -> FoundOrder | None:
    """The build that a payload asks for; None when it asks for none, or for something else.

    A payload with an intent asks for a build unless it names another command; one that names the command
    asks for a build also without an intent, and then its title and description are the intent.
    """
    levels = _levels(payload)
    words = [_word(level[name]) for _, level in levels for name in _WORDS if isinstance(level.get(name), str)]
    if any(word not in _BUILD for word in words):
        return None
    fields: dict[str, Any] = {}
    places: dict[str, tuple[str, ...]] = {}
    for place, level in levels:
        for name in FIELDS:
            if name in level and name not in fields:
                fields[name], places[name] = level[name], (*place, name)
        if "architect_intent" not in fields and "intent" in level:
            fields["architect_intent"], places["architect_intent"] = level["intent"], (*place, "intent")
    if "architect_intent" not in fields:
        if not words:
            return None
        if titled := _titled(levels):
            place, fields["architect_intent"] = titled
            places["architect_intent"] = place
    return FoundOrder(fields, places, _unknown(levels), _first(levels, "reply_to"), _task_id(levels))


Levels = list[tuple[tuple[str, ...], Mapping[str, Any]]]


def _levels(payload: Mapping[str, Any]) -> Levels:
    """The payload and the objects inside it that may carry the order, outermost first."""
    found: Levels = [((), payload)]
    for place, level in found:
        for name in _INSIDE:
            inner = _opened(level.get(name))
            if isinstance(inner, dict) and len(place) < _DEEPEST:
                found.append(((*place, name), inner))
    return found


def _opened(value: Any) -> Any:
    """droplet-10 writes a task's payload as JSON in a string."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            opened = json.loads(value)
            json.dumps(opened, ensure_ascii=False).encode()  # halves of surrogate pairs cannot be answered
        except (ValueError, RecursionError):
            return value
        return opened
    return value


def _word(text: str) -> str:
    return text.strip().lower().replace("-", "_").replace(" ", "_")


def _titled(levels: Levels) -> tuple[tuple[str, ...], str] | None:
    for place, level in levels:
        said = [level.get(name) for name in ("title", "description")]
        texts = [text.strip() for text in said if isinstance(text, str) and text.strip()]
        if texts:
            return (*place, "title"), "\n\n".join(dict.fromkeys(texts))
    return None


def _unknown(levels: Levels) -> tuple[str, ...]:
    """Words that stand where the build's own fields may stand and are none of them."""
    known = _ABOUT.union(FIELDS)
    found = [
        ".".join((*place, str(name)))[:_LONGEST_SHOWN]
        for place, level in levels
        if any(name in level for name in (*FIELDS, "intent"))
        for name in level
        if name not in known
    ]
    return tuple(found[:_MOST_SHOWN])


def _first(levels: Levels, name: str) -> Any:
    return next((level[name] for _, level in levels if level.get(name)), "")


def _task_id(levels: Levels) -> str:
    named = next((level["task_id"] for _, level in levels if isinstance(level.get("task_id"), str | int)), "")
    inside = next((level for place, level in levels if place[-1:] == ("task",) and "id" in level), None)
    found = named if named != "" or inside is None else inside["id"]
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
