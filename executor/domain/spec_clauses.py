"""An intent cut into clauses of words and marks, so that rules can look at what stands beside what."""

from __future__ import annotations

import re
from dataclasses import dataclass

from executor.domain.words import fold

MARKS = frozenset(",:()")


@dataclass(frozen=True, slots=True)
class Clause:
    """One sentence: as it was written, and as lower-case tokens with the marks , : ( ) among them."""

    text: str
    tokens: list[str]


def clauses(intent: str) -> list[Clause]:
    """Cut at sentence ends, semicolons and line ends; a clause without a word is left out."""
    pieces = re.split(r"(?<=[.!?;])\s+|\n+", intent)
    cut = [Clause(piece.strip(), tokenise(piece)) for piece in pieces if piece.strip()]
    return [clause for clause in cut if any(c.isalnum() for c in clause.text)]


def tokenise(text: str) -> list[str]:
    """Words and marks; hyphens part words, underscores join them, dashes and slashes count as commas."""
    plain = re.sub(r"\s[-–—]+\s|[/&+]|\bas well as\b", " , ", fold(text).replace("'", ""))  # noqa: RUF001
    return re.findall(r"[a-z0-9]+(?:_[a-z0-9]+)*|[,:()]", plain)
