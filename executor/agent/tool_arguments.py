"""The arguments of a tool call, checked one by one: the API does not check those of its own tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executor.errors import Invalid

_SHOWN = 80


class Arguments:
    """The arguments of one call. Every method raises Invalid that says which one, what it got and needs."""

    def __init__(self, tool: str, given: Mapping[str, Any]) -> None:
        self._tool = tool
        self._given = given

    def has(self, name: str) -> bool:
        """True when it was given and is not null."""
        return self._given.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """A string that can be written as UTF-8; `default` where there is none."""
        value = self._given.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self._wrong(name, "a string")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise self._wrong(name, "text without lone surrogates") from error
        return value

    def number(self, name: str) -> int:
        """A whole number."""
        value = self._given.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(name, "a whole number")
        return value

    def span(self, name: str) -> tuple[int, int] | None:
        """Two whole numbers, first and last; None where it was left out."""
        value = self._given.get(name)
        if value is None:
            return None
        right = isinstance(value, list) and [type(part) for part in value] == [int, int]
        if not right:
            raise self._wrong(name, "a list of two whole numbers such as [1, 40]")
        return value[0], value[1]

    def _wrong(self, name: str, needed: str) -> Invalid:
        if name not in self._given:
            got = f"is missing (given: {', '.join(map(repr, self._given)) or 'nothing'})"
        else:
            value = self._given[name]
            got = f"is {type(value).__name__} {repr(value)[:_SHOWN]}"
        return Invalid(
            f"{self._tool}: the argument `{name}` {got}; it needs to be {needed}. Nothing was done."
        )
