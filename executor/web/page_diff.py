"""A diff as a page shows it: its files with what each gained and lost, and its lines by kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_MOST_LINES = 5000
_MOST_OF_LINE = 1000
_KINDS = {"+": "add", "-": "del", "@": "hunk", "\\": "meta"}
_HEAD = re.compile(
    r"^(?:index |similarity |rename |old mode|new mode|new file|deleted file|Binary |--- |\+\+\+ )"
)


def diff_values(text: str) -> dict[str, Any]:
    """The files of a unified diff in git's form or of one file, at most 5,000 lines of them in all."""
    files = list(_files(text))
    shown, left = [], _MOST_LINES
    for file in files:
        shown.append({**file, "lines": file["lines"][:left]})
        left -= len(shown[-1]["lines"])
    return {
        "files": shown,
        "added": sum(file["added"] for file in files),
        "removed": sum(file["removed"] for file in files),
        "left_out": sum(len(file["lines"]) for file in files) - (_MOST_LINES - left),
    }


def _files(text: str) -> Iterator[dict[str, Any]]:
    file: dict[str, Any] | None = None
    is_head = False
    for line in text.splitlines():
        if line.startswith("diff --git "):
            if file:
                yield file
            file, is_head = _begun(line.rpartition(" b/")[2]), True
        elif file is None and line.startswith("--- "):
            file, is_head = _begun(line[4:]), True
        if file is None or (is_head and (line.startswith("diff --git ") or _HEAD.match(line))):
            continue  # before the first file stands git's own summary, which `_begun` counts anew
        is_head = False
        _add(file, line)
    if file:
        yield file


def _begun(name: str) -> dict[str, Any]:
    return {"name": name, "lines": [], "added": 0, "removed": 0}


def _add(file: dict[str, Any], line: str) -> None:
    kind = _KINDS.get(line[:1], "same")
    file["added"] += kind == "add"
    file["removed"] += kind == "del"
    file["lines"].append((kind, line[:_MOST_OF_LINE]))
