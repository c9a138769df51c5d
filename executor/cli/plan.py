"""What `build --dry-run` shows: the SPEC by rule, the steps, the time and the money."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from rich.markdown import Markdown
from rich.table import Table

from executor.cli import words
from executor.cli.console import stdout


def show_plan(plan: Mapping[str, Any]) -> None:
    """Print a dry run's answer; the SPEC stays plain Markdown in a pipe."""
    console = stdout()
    spec = words.plain(plan.get("spec") or "")
    console.print(Markdown(spec) if sys.stdout.isatty() else spec)
    console.print()
    table = Table("step", "name", "expected", box=None, pad_edge=False)
    for row in plan.get("steps") or ():
        seconds = words.short_duration(row.get("expected_seconds"))
        table.add_row(str(row.get("step")), words.plain(row.get("name")), seconds)
    console.print(table)
    total = words.long_duration(float(plan.get("estimated_seconds") or 0))
    dollars = plan.get("estimated_cost_usd")
    cost = "cost not known yet" if dollars is None else words.money(dollars)
    console.print(
        f"{words.droplet_title(plan)} as {plan.get('build_id')}: SPEC score {plan.get('spec_score')}"
    )
    console.print(f"about {total}, {cost}. Nothing was started.", style="bold")
    for warning in plan.get("warnings") or ():
        console.print(f"! {words.plain(warning)}", style="yellow")
