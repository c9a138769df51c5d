"""Words of others put into Markdown so that they stay words: no heading, fence or tag of theirs acts."""

from __future__ import annotations

import re


def inline(text: str, limit: int = 300) -> str:
    """The text on one line, at most `limit` characters of it, every Markdown and HTML sign made literal."""
    flat = " ".join(text.split())
    short = flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"
    return re.sub(r"([\\`*_{}\[\]()#+\-!|<>~&:])", r"\\\1", short)


def block(text: str) -> str:
    """The text line by line as an indented code block: shown as written, and no line starts a heading."""
    return "\n".join(("    " + line).rstrip() for line in text.splitlines()).strip("\n")


def bullets(lines: list[str] | tuple[str, ...]) -> str:
    """One bullet a line; the lines are Markdown already."""
    return "\n".join(f"- {line}" for line in lines)
