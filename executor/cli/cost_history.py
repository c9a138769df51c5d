"""What all builds came to, beside what the architect wants of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from executor.cli import words
from executor.cli.console import stdout

_KINDS = {"model": "with a model", "scaffold": "scaffold", "undecided": "neither yet"}
_UNFINISHED = ("queued", "in_progress", "withdrawing", "waiting_approval", "waiting_input", "waiting_retry")
_ENDED = {"complete": "succeeded", "failed": "failed", "rejected": "rejected", "rolled_back": "rolled back"}


def history(document: Mapping[str, Any]) -> None:
    """Print the sums by who built, and how the builds with a model stand to what the architect wants."""
    console = stdout()
    if not any(document[who]["builds"] for who in _KINDS):
        console.print('No build yet. Start one: fpai build "Build Analytics Engine for tracking metrics"')
        return
    kinds = {label: _sums(document[who]) for who, label in _KINDS.items() if document[who]["builds"]}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("", *kinds):
        table.add_column(column, no_wrap=True, style="" if column else "dim")
    for measure in next(iter(kinds.values())):
        table.add_row(measure, *(sums[measure] for sums in kinds.values()))
    console.print(table)
    console.print()
    for line in _against_wanted(document["model"], document["wanted"]):
        console.print(line)


def _sums(sums: Mapping[str, Any]) -> dict[str, str]:
    """One column: time is from the order to the end, work without the waits, both of successes alone."""
    counted, succeeded = sums["counted"], sums["succeeded"]
    rate = f" ({words.percent(sums['success_rate'])})" if counted else ""
    least = "at least " if sums["builds_of_unknown_cost"] else ""
    per_success = sums["cost_per_success_usd"]
    tokens = sum(sums["tokens"].values())
    cached = sums["cache_hit_rate"]
    return {
        "builds": str(sums["builds"]),
        "succeeded": f"{succeeded} of {counted}{rate}",
        "median time": words.short_duration(sums["median_elapsed_seconds"]),
        "median work": words.short_duration(sums["median_working_seconds"]),
        "dollars": f"{least}{words.money(sums['cost_usd'])}",
        "for a success": words.money(per_success) if per_success is not None else "-",
        "tokens": words.thousands(tokens) if tokens else "-",
        "from the cache": words.percent(cached) if cached is not None else "-",
    }


def _against_wanted(sums: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[Text]:
    limit = words.short_duration(wanted["elapsed_seconds"])
    asked = (
        f"The architect wants more than {words.percent(wanted['success_rate'])} of builds to succeed in less"
    )
    lines = [Text(f"{asked} than {limit}; only builds with a model count for it.", style="dim")]
    if not sums["counted"]:
        lines.append(Text("○ No build with a model has ended yet, so nothing can be said.", style="yellow"))
        return lines
    low, high = sums["success_between"]
    lines.append(
        _judged(
            sums["success_rate"] > wanted["success_rate"],
            f"{words.percent(sums['success_rate'])} succeeded: {_counts(sums)}; n = {sums['counted']},"
            f" so the true rate may well be anything from {words.percent(low)} to {words.percent(high)}",
        )
    )
    if sums["succeeded"]:
        longest = words.short_duration(sums["longest_elapsed_seconds"])
        lines.append(
            _judged(
                sums["longest_elapsed_seconds"] < wanted["elapsed_seconds"],
                f"{words.short_duration(sums['median_elapsed_seconds'])} in the median, {longest} at most;"
                f" n = {sums['succeeded']}",
            )
        )
    return lines


def _judged(is_met: bool, text: str) -> Text:
    return Text(f"✓ {text}", style="green") if is_met else Text(f"✗ {text}", style="red")


def _counts(sums: Mapping[str, Any]) -> str:
    states = sums["states"]
    parts = [f"{states[state]} {word}" for state, word in _ENDED.items() if states.get(state)]
    unfinished = sum(states.get(state, 0) for state in _UNFINISHED)
    left_out = [f"{states['cancelled']} cancelled"] if states.get("cancelled") else []
    left_out += [f"{unfinished} unfinished"] if unfinished else []
    not_counted = f" (not counted: {', '.join(left_out)})" if left_out else ""
    return ", ".join(parts) + not_counted
