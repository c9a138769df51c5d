"""How pages say things: colour never stands alone, it always comes with a mark and a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_STATES = {
    "queued": ("…", "queued"),
    "in_progress": ("▶", "in progress"),
    "waiting_approval": ("✋", "waits for a decision"),
    "waiting_input": ("?", "waits for an answer"),
    "waiting_retry": ("↻", "waits to try again"),
    "complete": ("✓", "complete"),
    "done": ("✓", "done"),
    "ahead": ("·", "ahead"),
    "failed": ("✗", "failed"),
    "cancelled": ("■", "cancelled"),
    "rejected": ("✗", "rejected"),
    "rolled_back": ("↩", "rolled back"),
}


def mark(status: str) -> str:
    """The sign of a state."""
    return _STATES.get(status, ("·", status))[0]


def word(status: str) -> str:
    """The words of a state."""
    return _STATES.get(status, ("·", status))[1]


def duration(seconds: float | None) -> str:
    """0.4 is 0.4 s, 75 is 1 min 15 s, 5000 is 1 h 23 min."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def moment(timestamp: str | None) -> str:
    """2026-01-02T03:04:05.678Z is 2026-01-02 03:04:05 UTC."""
    return f"{timestamp[:10]} {timestamp[11:19]} UTC" if timestamp else ""


def link(address: str | None) -> str:
    """An address that may stand in href; anything but http and https becomes `#`."""
    return address if address and address.startswith(("http://", "https://")) else "#"


def filters() -> dict[str, Callable[..., Any]]:
    """The filters by the names that templates use."""
    return {"mark": mark, "word": word, "duration": duration, "moment": moment, "link": link}
