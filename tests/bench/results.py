"""What a measurement yields, as a table for people and as a document for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `ratio` is taken against `against`, which was measured in the same run.

    `met` is None where no target is set: the figure is information.
    """

    name: str
    value: float
    unit: str
    against: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


def at_least(name: str, value: float, unit: str, against: str, ratio: float, floor: float) -> Figure:
    """A figure whose ratio has to reach `floor`."""
    return Figure(name, value, unit, against, ratio, f">= {floor:g} x", ratio >= floor)


def at_most(name: str, value: float, unit: str, against: str, ratio: float, ceiling: float) -> Figure:
    """A figure whose ratio may not exceed `ceiling`."""
    return Figure(name, value, unit, against, ratio, f"<= {ceiling:g} x", ratio <= ceiling)


def bounded(name: str, value: float, unit: str, most: float, against: str = "") -> Figure:
    """A figure whose value itself may not exceed `most`."""
    return Figure(name, value, unit, against, None, f"<= {most:g} {unit}", value <= most)


def write(figures: Sequence[Figure], path: Path) -> None:
    """Write the document that `make bench` leaves behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n", "utf-8")


def show(figures: Sequence[Figure], console: Console) -> None:
    """Print the table."""
    table = Table(title="Measured in this run, side by side", title_justify="left")
    for column, justify in (("", "left"), ("value", "right"), ("unit", "left"), ("against", "left")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for column in ("ratio", "target", "met"):
        table.add_column(column, justify="right")
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f} x"
        table.add_row(
            figure.name, _short(figure.value), figure.unit, figure.against, ratio, figure.target, _met(figure)
        )
    console.print(table)


def _short(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def _met(figure: Figure) -> str:
    if figure.met is None:
        return ""
    return "[green]yes[/]" if figure.met else "[red]no[/]"
