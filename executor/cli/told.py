"""Whom a build has told how it stands: one line a channel, from its newest notice."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from executor.cli import words
from executor.cli.client import Daemon, segment
from executor.cli.exits import CliError

_PAUSE = 0.2
_ABOUT = {
    "build.completed": "that it is complete",
    "build.gate_opened": "that it waits for a decision",
    "build.input_requested": "that it has a question",
    "build.failed": "that it failed",
    "build.budget_notice": "of its budget",
    "build.decided": "what was decided",
    "build.ended": "that it ended",
}


def notices(daemon: Daemon, build: str) -> list[dict[str, Any]]:
    """Every notice of the build; none where the daemon does not say."""
    try:
        found = daemon.get(f"/executor/builds/{segment(build)}/notifications").json()
    except CliError:
        return []  # an older daemon has no such route, and the state of the build stands without it
    return found if isinstance(found, list) else []


def settled_notices(daemon: Daemon, build: str, patience: float) -> list[dict[str, Any]]:
    """The notices once none is on its way for the first time, or after `patience` seconds as they are."""
    until = time.monotonic() + patience
    found = notices(daemon, build)
    while any(row["state"] == "waiting" and not row["reason"] for row in found) and time.monotonic() < until:
        time.sleep(_PAUSE)
        found = notices(daemon, build)
    return found


def lines(rows: list[dict[str, Any]]) -> list[Text]:
    """One line for each channel: what it was told last, and when; or why not."""
    newest = {str(row["channel"]): row for row in rows}
    return [_line(words.plain(channel), row) for channel, row in newest.items()]


def _line(channel: str, row: Mapping[str, Any]) -> Text:
    about = _ABOUT.get(str(row.get("about")), "")
    reason = words.plain(row.get("reason") or "").rstrip(".")
    if row["state"] == "told":
        return Text(f"✓ {channel} was told {about} at {words.clock(row['told_at'])}", style="green")
    if row["state"] == "given_up":
        return Text(f"! {channel} was not told {about}: {reason}.", style="yellow")
    again = f"; tried again at {words.clock(row['next_try_at'])}" if row.get("next_try_at") else ""
    why = f": {reason}{again}" if reason else ", it is on its way"
    return Text(f"◌ {channel} has not been told {about} yet{why}.", style="magenta")
