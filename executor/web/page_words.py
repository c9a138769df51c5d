"""How pages say things: colour never stands alone, it always comes with an icon and a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# A state's icon (templates/icons.html), its tone (style.css, .is-…) and its words.
_STATES = {
    "queued": ("queue", "rest", "queued"),
    "in_progress": ("run", "run", "in progress"),
    "waiting_approval": ("hand", "wait", "waits for a decision"),
    "waiting_input": ("ask", "wait", "waits for an answer"),
    "waiting_retry": ("again", "wait", "waits to try again"),
    "complete": ("check", "good", "complete"),
    "done": ("check", "good", "done"),
    "ahead": ("dot", "ahead", "ahead"),
    "failed": ("cross", "bad", "failed"),
    "cancelled": ("stop", "rest", "cancelled"),
    "rejected": ("cross", "bad", "rejected"),
    "rolled_back": ("back", "rest", "rolled back"),
    # results of checks and what ended an attempt
    "pass": ("check", "good", "passes"),
    "fail": ("cross", "bad", "fails"),
    "note": ("note", "rest", "note"),
    "skip": ("dot", "rest", "skipped"),
    "repair": ("back", "bad", "sent back"),
    "retry": ("again", "wait", "to be tried again"),
    "asked": ("ask", "wait", "asked a question"),
    "running": ("run", "run", "running"),
    # releases and their health
    "live": ("check", "good", "live"),
    "superseded": ("dot", "rest", "superseded"),
    "withdrawn": ("back", "rest", "withdrawn"),
    "healthy": ("check", "good", "healthy"),
    "unhealthy": ("cross", "bad", "unhealthy"),
    "unknown": ("ask", "rest", "not known yet"),
}


def icon(status: str) -> str:
    """The name of a state's icon."""
    return _STATES.get(status, ("dot", "rest", status))[0]


def tone(status: str) -> str:
    """The colour of a state: good, bad, wait, run, rest or ahead."""
    return _STATES.get(status, ("dot", "rest", status))[1]


def word(status: str) -> str:
    """The words of a state."""
    return _STATES.get(status, ("dot", "rest", status))[2]


def duration(seconds: float | None) -> str:
    """0.4 is 0.4 s, 75 is 1 min 15 s, 5000 is 1 h 23 min."""
    if seconds is None:
        return ""
    if 0 < seconds < 0.05:
        return "< 0.1 s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def about(seconds: float) -> str:
    """An estimate, as coarse as it is: 10 s steps below a minute and a half, then whole minutes."""
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def moment(timestamp: str | None) -> str:
    """2026-01-02T03:04:05.678Z is 2 Jan 2026, 03:04 UTC."""
    if not timestamp:
        return ""
    year, month, day = timestamp[:10].split("-")
    return f"{int(day)} {_MONTHS[int(month) - 1]} {year}, {timestamp[11:16]} UTC"


def dollars(usd: float | None) -> str:
    """1.5 is $1.50; what is not known is a dash, never a zero."""
    return "—" if usd is None else f"${usd:,.2f}"


def link(address: str | None) -> str:
    """An address that may stand in href; anything but http and https becomes `#`."""
    return address if address and address.startswith(("http://", "https://")) else "#"


def host(address: str) -> str:
    """https://books.example.org/x is books.example.org/x."""
    return address.partition("://")[2] or address


def filters() -> dict[str, Callable[..., Any]]:
    """The filters by the names that templates use."""
    return {
        "icon_of": icon,
        "tone": tone,
        "word": word,
        "duration": duration,
        "about": about,
        "host": host,
        "moment": moment,
        "dollars": dollars,
        "link": link,
    }
