"""The last word of a watched build: what became of it, on stdout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executor.cli import words
from executor.cli.board import board
from executor.cli.client import Daemon
from executor.cli.console import stdout
from executor.cli.pick import awaits_review
from executor.cli.told import lines, settled_notices

_PATIENCE = 2.0

_ENDINGS = {
    "complete": "is live and registered.",
    "failed": "could not be built.",
    "cancelled": "was cancelled.",
    "rejected": "was rejected.",
    "rolled_back": "was rolled back.",
    "waiting_approval": "waits for your decision.",
    "waiting_input": "waits for your answer.",
}


def print_summary(daemon: Daemon, document: Mapping[str, Any]) -> None:
    """Print the board, who was told of the end, what can be done next, and the end in one sentence."""
    ending = _ENDINGS.get(str(document.get("status")), "")
    review = " Ready for review." if awaits_review(document) else ""
    console = stdout()
    told = lines(settled_notices(daemon, str(document["build_id"]), _PATIENCE))
    console.print(board(document, told=told))
    console.print(f"{words.droplet_title(document)} {ending}{review}", style="bold")
