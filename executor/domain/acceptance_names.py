"""`${name}` in hidden acceptance tests: values that earlier answers gave, a fresh word, and the time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from executor.domain.acceptance import Call
from executor.errors import Invalid

FILLED_RULES = frozenset({"equals", "differs", "contains", "lacks", "min", "max"})
"""Checks whose value may hold names; the others' values are words of their own."""
Scalar = str | int | float | bool | None
_USE = re.compile(r"\$\{([^{}]*)\}")
_FORM = re.compile(r"([a-z][a-z0-9_]*)(?:([+-])([0-9]{1,9}))?")
_TIMES = frozenset({"now", "today"})


def refuse_unknown_names(calls: tuple[Call, ...]) -> None:
    """Raise Invalid when a call uses a name that no earlier call saves and that is not given."""
    known = {"unique"}
    for number, call in enumerate(calls, 1):
        _refuse(_sent(call), known, number)
        known |= {save.name for save in call.save}
        _refuse([c.value for c in call.checks if c.rule in FILLED_RULES], known, number)


def _sent(call: Call) -> list[Any]:
    pairs = [part for pair in (*call.query, *call.headers) for part in pair]
    return [call.path, *pairs, json.loads(call.body) if call.body else ""]


def _refuse(values: list[Any], known: set[str], number: int) -> None:
    text = json.dumps(values)
    for used in _USE.findall(text):
        form = _FORM.fullmatch(used)
        if form is None or (form[1] not in _TIMES and (form[2] or form[1] not in known)):
            raise Invalid(f"call {number} uses ${{{used[:60]}}}, which nothing before it saves")


class Names:
    """What `${…}` stands for in one run of one scenario."""

    def __init__(self, unique: str, now: datetime) -> None:
        self._now = now.astimezone(UTC)
        self._known: dict[str, Scalar] = {"unique": unique}

    def save(self, name: str, value: Scalar) -> None:
        """Keep a value for the calls that follow."""
        self._known[name] = value

    def text(self, template: str, quoted: Callable[[str], str] = str) -> str:
        """The text with every name's value put in, each one `quoted`."""
        return _USE.sub(lambda use: quoted(_as_text(self._value(use[1]))), template)

    def filled(self, value: Any) -> Any:
        """The value with names put in; a text that is nothing but one name becomes that value itself."""
        if isinstance(value, str):
            whole = _USE.fullmatch(value)
            return self._value(whole[1]) if whole else self.text(value)
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if isinstance(value, Mapping):
            return {self.text(key): self.filled(item) for key, item in value.items()}
        return value

    def _value(self, use: str) -> Scalar:
        form = _FORM.fullmatch(use)
        if form is None:
            raise Invalid(f"${{{use}}} is no name")
        amount = int(f"{form[2] or ''}{form[3] or 0}")
        if form[1] == "now":
            return (self._now + timedelta(seconds=amount)).strftime("%Y-%m-%dT%H:%M:%SZ")
        if form[1] == "today":
            return (self._now + timedelta(days=min(max(amount, -300_000), 300_000))).date().isoformat()
        return self._known[form[1]]


def _as_text(value: Scalar) -> str:
    return value if isinstance(value, str) else json.dumps(value)
