"""What is worth keeping of a draft from fp-tools: its sentences, without placeholders and unfilled braces."""

from __future__ import annotations

import re

from executor.domain.spec_text import block, inline

_PLACEHOLDER = re.compile(r"\[[^\]\n]*\](?!\()|\{[^}\n]*\}")
_HEADING = re.compile(r"#{1,6}\s+(?:\d+[.)]\s*)?(.+)")
_RULE = re.compile(r"[-=*_\s`|:]*")
MOST_LINES = 120


def draft_notes(draft: str, intent: str) -> str:
    """The draft's useful lines below bold titles as Markdown; empty when nothing useful is left."""
    said = {line.strip() for line in intent.splitlines()}
    groups: list[tuple[str, list[str]]] = [("", [])]
    for line in draft.splitlines():
        heading = _HEADING.fullmatch(line.strip())
        if heading:
            groups.append((heading[1], []))
        elif _is_useful(line) and line.strip() not in said:
            groups[-1][1].append(line.rstrip())
    return _written([(title, lines) for title, lines in groups if lines and title])


def _is_useful(line: str) -> bool:
    return not _RULE.fullmatch(line) and not _PLACEHOLDER.search(line) and not line.startswith("**")


def _written(groups: list[tuple[str, list[str]]]) -> str:
    parts: list[str] = []
    room = MOST_LINES
    for title, lines in groups:
        if room > 0:
            parts.append(f"**{inline(title, 80)}**\n\n{block(chr(10).join(lines[:room]))}")
        room -= len(lines)
    return "\n\n".join(parts)
