"""Query parameters, checked one by one."""

from __future__ import annotations

import re

from starlette.requests import Request

from executor.web.bodies import invalid

_WHOLE = re.compile(r"\d{1,15}", re.ASCII)
_YES, _NO = frozenset({"1", "true", "yes"}), frozenset({"0", "false", "no", ""})


def whole(request: Request, name: str, default: int, *, low: int = 0, high: int = 10**15) -> int:
    """A whole number from the query. Raises Invalid when it is none or out of bounds."""
    found = optional_whole(request, name, low=low, high=high)
    return default if found is None else found


def optional_whole(request: Request, name: str, *, low: int = 0, high: int = 10**15) -> int | None:
    """The same without a default."""
    text = request.query_params.get(name)
    if text is None or text == "":
        return None
    if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
        raise invalid(["query", name], f"a whole number from {low} to {high} is expected")
    return int(text)


def flag(request: Request, name: str) -> bool:
    """A yes or no from the query; absent is no. Raises Invalid."""
    text = request.query_params.get(name, "").lower()
    if text not in _YES | _NO:
        raise invalid(["query", name], "true or false is expected")
    return text in _YES


def text(request: Request, name: str, longest: int = 200) -> str:
    """Short text from the query. Raises Invalid when it is too long or cannot be written down."""
    found = request.query_params.get(name, "")
    if len(found) > longest:
        raise invalid(["query", name], f"at most {longest} characters")
    if "\x00" in found or any("\ud800" <= c <= "\udfff" for c in found):
        raise invalid(["query", name], "plain text is expected")
    return found
