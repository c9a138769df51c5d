"""The last word of a watched build: what became of it, on stdout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executor.cli import words
from executor.cli.board import board
from executor.cli.console import stdout
from executor.cli.pick import awaits_review

_ENDINGS = {
    "complete": "is live and registered.",
    "failed": "could not be built.",
    "cancelled": "was cancelled.",
    "rejected": "was rejected.",
    "rolled_back": "was rolled back.",
    "waiting_approval": "waits for your decision.",
    "waiting_input": "waits for your answer.",
}


def print_summary(document: Mapping[str, Any]) -> None:
    """Print one sentence, the board, and what can be done next."""
    ending = _ENDINGS.get(str(document.get("status")), "")
    review = " Ready for review." if awaits_review(document) else ""
    console = stdout()
    console.print(board(document))
    console.print(f"{words.droplet_title(document)} {ending}{review}", style="bold")
