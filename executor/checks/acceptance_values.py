"""What an answer holds at a place that a hidden test names."""

from __future__ import annotations

from typing import Any

from executor.checks.probe import Answer
from executor.domain.acceptance import Part


class Missing:
    """Stands where an answer holds nothing."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = Missing()


def found(answer: Answer, part: Part, at: str) -> list[Any]:
    """The value at the place, or MISSING; several where `*` stands for every element of a list.

    An empty list has no element to hold anything, so `*` finds MISSING in it.
    """
    if part == "header":
        return [answer.headers.get(at.lower(), MISSING)]
    if part == "text":
        return [answer.text]
    if answer.body is None and answer.text.strip() != "null":
        return [MISSING]
    values: list[Any] = [answer.body]
    for token in at.split("/")[1:]:
        values = [inner for value in values for inner in _inner(value, token)]
    return values


def _inner(value: Any, token: str) -> list[Any]:
    key = token.replace("~1", "/").replace("~0", "~")
    if isinstance(value, dict):
        return [value.get(key, MISSING)]
    if isinstance(value, list):
        if key == "*":
            return list(value) or [MISSING]
        if key.isascii() and key.isdigit() and len(key) < 9 and int(key) < len(value):
            return [value[int(key)]]
    return [MISSING]
