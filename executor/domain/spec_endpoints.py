"""Which endpoints a SPEC promises beside the five of the contract."""

from __future__ import annotations

import re

_HEADING = re.compile(r"^#{2,4}\s+(?:\d+[.)]?\s+)?`?(GET|POST|PUT|PATCH|DELETE)\s+(/[^\s`]*)", re.MULTILINE)
_CONTRACT = frozenset({"/health", "/capabilities", "/state", "/dependencies", "/message"})


def endpoints_of(spec: str) -> tuple[str, ...]:
    """`METHOD /path` for each heading that names one, in the SPEC's order, each once."""
    found = (f"{method} {path}" for method, path in _HEADING.findall(spec) if path not in _CONTRACT)
    return tuple(dict.fromkeys(found))
