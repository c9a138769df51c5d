"""Values in a person's words: durations, money, moments, states, names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

# colour, mark, words: never colour alone
STATES = {
    "started": ("cyan", "●", "started"),
    "queued": ("cyan", "○", "queued"),
    "in_progress": ("blue", "●", "in progress"),
    "waiting_approval": ("yellow", "◆", "waits for your decision"),
    "waiting_input": ("yellow", "◆", "waits for your answer"),
    "waiting_retry": ("magenta", "◌", "waits before trying again"),
    "complete": ("green", "✓", "complete"),
    "failed": ("red", "✗", "failed"),
    "cancelled": ("bright_black", "■", "cancelled"),
    "rejected": ("red", "■", "rejected"),
    "rolled_back": ("magenta", "↺", "rolled back"),
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def plain(text: object) -> str:
    """Drop control characters: what a model wrote must not steer the reader's terminal."""
    return _CONTROL.sub("", str(text)).replace("\t", "    ")


def listed(value: object) -> str:
    """Write a list as `a, b`, a table as `key value, …`, anything else as it is."""
    if isinstance(value, dict):
        return ", ".join(f"{plain(key)} {listed(inner)}" for key, inner in value.items())
    return ", ".join(map(listed, value)) if isinstance(value, (list, tuple)) else plain(value)


def state_words(status: object) -> tuple[str, str, str]:
    """Colour, mark and words of a status."""
    return STATES.get(str(status), ("white", "·", plain(status)))


def short_duration(seconds: object) -> str:
    """Write 0.4 as `0.4s`, 75 as `1m 15s`, 5000 as `1h 23m`; anything else is a dash."""
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        return "-"
    if seconds < 10:
        return f"{max(seconds, 0):.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m {rest:02d}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60:02d}m"


def long_duration(seconds: float) -> str:
    """Write a duration the way the architect's example says it: `90 minutes`, `25 seconds`, `4 hours`."""
    if seconds < 90:
        return count(max(1, round(seconds)), "second")
    if seconds < 150 * 60:
        return count(round(seconds / 60), "minute")
    hours = seconds / 3600
    return count(round(hours), "hour") if hours < 48 else count(round(hours / 24), "day")


def count(number: int, unit: str) -> str:
    """Write `1 turn`, `2 turns`."""
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def percent(rate: object) -> str:
    """Write 0.824 as `82 %`; only all of it is `100 %`."""
    if not isinstance(rate, (int, float)):
        return "-"
    return "100 %" if rate >= 1 else f"{min(round(rate * 100), 99)} %"


def thousands(number: object) -> str:
    """Write a count of tokens short: `940`, `41.2k`, `3.07M`."""
    if not isinstance(number, (int, float)):
        return "-"
    if number < 1_000:
        return f"{number:.0f}"
    return f"{number / 1_000:.1f}k" if number < 999_950 else f"{number / 1_000_000:.2f}M"


def tool(name: object, about: object = "") -> str:
    """A tool as a person says it, and what it was used on, from the workspace on."""
    called = "edit" if str(name).startswith("str_replace") else plain(name).replace("_", " ")
    return f"{called} {plain(about or '').removeprefix('/ws/')}".strip()


def money(usd: object) -> str:
    """Write dollars with the cents that matter: `$0.00`, `$0.42`, `$12.30`."""
    return f"${usd:,.2f}" if isinstance(usd, (int, float)) else "-"


def cost(document: Mapping[str, Any]) -> str:
    """Write what a build has spent: `$1.23 of $5.00`; `at least` where a call's cost is not known."""
    least = "" if document.get("cost_known", True) else "at least "
    budget = document.get("budget_usd")
    of = f" of {money(budget)}" if budget is not None else ""
    return f"{least}{money(document.get('cost_usd') or 0)}{of}"


def moment(text: object) -> datetime | None:
    """Read a moment as replies write it (ISO 8601), None when it is not one."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def seconds_until(text: object) -> float | None:
    """Seconds from now to a moment, None when it is not one."""
    when = moment(text)
    return None if when is None else (when - datetime.now(UTC)).total_seconds()


def clock(text: object) -> str:
    """The moment as the reader's own clock shows it; with the date when it is not today."""
    when = moment(text)
    if when is None:
        return "-"
    local = when.astimezone()
    return local.strftime(
        "%H:%M:%S" if local.date() == datetime.now().astimezone().date() else "%Y-%m-%d %H:%M"
    )


def droplet_title(document: Mapping[str, Any]) -> str:
    """`Analytics Droplet #13` of a document that names a droplet."""
    name = (
        plain(document.get("droplet_name") or document.get("name") or "").replace("-", " ").replace("_", " ")
    )
    return f"{name.title()} Droplet #{document.get('droplet_id', '?')}".strip()
