"""Tables of builds, droplets and diffs, and documents as readable text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from executor.cli import words
from executor.cli.console import stdout

_LONGEST_VALUE = 4000
_WIDE = 110
_GIVING_WAY = {"step", "release"}


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        # Only a column that may wrap is made narrower, and its text is then cut: never what one copies.
        table.add_column(column, no_wrap=column not in _GIVING_WAY)
    return table


def _state(status: object) -> Text:
    colour, mark, _ = words.state_words(status)
    return Text(f"{mark} {words.plain(status).replace('_', ' ')}", style=colour)


def _cut(text: object) -> Text:
    return Text(words.plain(text), no_wrap=True, overflow="ellipsis")


def builds_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print builds, one a line."""
    if not rows:
        stdout().print('No build here. Start one: fpai build "Build Analytics Engine for tracking metrics"')
        return
    console = stdout()
    wide = console.width >= _WIDE
    table = _table("build", "state", "%", "step", "cost", *(("elapsed", "created") if wide else ()))
    for row in rows:
        more = (words.short_duration(row.get("elapsed_seconds")), words.clock(row.get("created_at")))
        step = f"{row.get('current_step', '-')} {row.get('current_step_name') or ''}".strip()
        table.add_row(
            str(row.get("build_id")),
            _state(row.get("status")),
            str(row.get("progress_percent", "-")),
            _cut(step),
            words.money(row.get("cost_usd") or 0),
            *(more if wide else ()),
        )
    console.print(table)


def droplets_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print droplets, one a line."""
    if not rows:
        stdout().print("No droplet has been released yet.")
        return
    table = _table("id", "name", "health", "address", "release", "releases")
    colours = {"healthy": "green", "active": "green", "ok": "green", "unknown": "dim"}
    for row in rows:
        health = words.plain(row.get("health") or "unknown")
        table.add_row(
            str(row.get("droplet_id")),
            Text(words.plain(row.get("name"))),
            Text(health, style=colours.get(health, "yellow")),
            Text(words.plain(row.get("url") or "-")),
            _cut(row.get("release") or "-"),
            str(len(row.get("releases") or ())),
        )
    stdout().print(table)


def diffs_table(versions: Sequence[Mapping[str, Any]]) -> None:
    """Print the diffs of a build, one a line; each stands for the whole work so far."""
    table = _table("version", "iteration", "result", "commit", "made")
    for row in versions:
        meta = row.get("meta") or {}
        is_green = meta.get("green")
        result = Text("-") if is_green is None else Text("✓ green", style="green")
        table.add_row(
            str(row["version"]),
            str(meta.get("iteration") or "-"),
            Text("✗ not yet", style="yellow") if is_green is False else result,
            words.plain(meta.get("commit") or "-")[:12],
            words.clock(row.get("at")),
        )
    stdout().print(table)


def document_text(document: Any, kind: str) -> str:
    """A JSON artifact as text: its own text when it carries one, else `key: value` lines."""
    if isinstance(document, dict):
        for key in ("markdown", "text", "content", "body", kind):
            if isinstance(document.get(key), str):
                return str(document[key])
    return "\n".join(_lines(document, "")) or "(empty)"


def _lines(value: Any, indent: str) -> list[str]:
    if isinstance(value, dict):
        found: list[str] = []
        for key, inner in value.items():
            label = f"{indent}{str(key).replace('_', ' ')}:"
            nested = isinstance(inner, (dict, list)) and inner
            found += [label, *_lines(inner, indent + "  ")] if nested else [f"{label} {_value(inner)}"]
        return found
    if isinstance(value, list):
        return [line for inner in value for line in _item(inner, indent)]
    return [f"{indent}{_value(value)}"]


def _item(inner: Any, indent: str) -> list[str]:
    if isinstance(inner, dict) and not any(isinstance(part, (dict, list)) for part in inner.values()):
        return [f"{indent}- " + ", ".join(f"{key} {_value(part)}" for key, part in inner.items())]
    lines = _lines(inner, indent + "  ")
    return [f"{indent}- {lines[0].strip()}", *lines[1:]] if lines else []


def _value(value: Any) -> str:
    return "-" if value in (None, "", [], {}) else str(value)[:_LONGEST_VALUE]
