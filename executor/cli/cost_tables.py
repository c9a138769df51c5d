"""What a build's model calls were and cost: a line for each, then the sums of each conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from executor.cli import words
from executor.cli.console import stdout

_TO_THE_RIGHT = {"turn", "turns", "time", "read", "cached", "written", "cost"}


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        # Only a column that may wrap is made narrower; its text is then cut.
        justify: JustifyMethod = "right" if column in _TO_THE_RIGHT else "left"
        table.add_column(column, justify=justify, no_wrap=column != "what")
    return table


def turns_table(document: Mapping[str, Any]) -> None:
    """Print every model call of a build, then each conversation's sums and the build's."""
    console = stdout()
    if not document["turns"]:
        console.print("No model was called for this build: it cost nothing.")
        return
    table = _table(
        "turn",
        "conversation",
        "time",
        "read",
        "cached",
        "written",
        "cost",
        "what",
    )
    for turn in document["turns"]:
        tokens = turn["tokens"]
        prompt = tokens["input"] + tokens["cache_read"] + tokens["cache_write"]
        table.add_row(
            str(turn["number"]),
            words.plain(turn["conversation"]),
            words.short_duration(turn["seconds"]),
            words.thousands(prompt),
            words.percent(tokens["cache_read"] / prompt) if prompt else "-",
            words.thousands(tokens["output"]),
            _cost(turn),
            _what(turn),
        )
    console.print(table)
    console.print()
    console.print(_conversations(document))
    console.print(Text(_together(document), style="bold"))


def _conversations(document: Mapping[str, Any]) -> Table:
    table = _table("conversation", "turns", "time", "read", "cached", "written", "cost")
    for talk in document["conversations"]:
        tokens = talk["tokens"]
        prompt = tokens["input"] + tokens["cache_read"] + tokens["cache_write"]
        unknown = f" and {words.count(talk['unknown'], 'call')} unknown" if talk["unknown"] else ""
        table.add_row(
            words.plain(talk["conversation"]),
            str(talk["turns"]),
            words.short_duration(talk["seconds"]),
            words.thousands(prompt),
            words.percent(tokens["cache_read"] / prompt) if prompt else "-",
            words.thousands(tokens["output"]),
            f"{words.money(talk['cost_usd'])}{unknown}",
        )
    return table


def _together(document: Mapping[str, Any]) -> str:
    cached = document.get("cache_hit_rate")
    share = f", {words.percent(cached)} of the prompts from the cache" if cached is not None else ""
    return f"together {words.cost(document)}{share}"


def _cost(turn: Mapping[str, Any]) -> str:
    if turn["cost_usd"] is not None:
        return f"${turn['cost_usd']:.4f}"
    return "-" if turn["state"] in {"failed", "asked"} else "unknown"


def _what(turn: Mapping[str, Any]) -> Text:
    if turn["state"] == "failed":
        return _cut(words.plain(f"failed: {turn['error'] or 'no reason given'}"), style="red")
    if turn["state"] == "lost":
        return _cut("cut off by a stop of the executor; asked again", style="yellow")
    if turn["state"] == "asked":
        return _cut("is being answered", style="blue")
    calls = [_call(call) for call in turn["tool_calls"]]
    return _cut(words.plain(", ".join(calls) or str(turn["stop_reason"] or "")))


def _call(call: Mapping[str, Any]) -> str:
    ended = " (failed)" if call["is_error"] else "" if call["state"] == "finished" else " (unfinished)"
    return f"{words.tool(call['name'], call['about'])}{ended}"


def _cut(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
