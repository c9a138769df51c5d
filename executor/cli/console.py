"""Where rich draws: the terminal's width on a terminal, never cut in a pipe or a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.text import Text

from executor.cli import words

_NEVER_CUT = 4000


def stdout() -> Console:
    """The console for data."""
    if sys.stdout.isatty():
        return Console(highlight=False, markup=False)
    return Console(highlight=False, markup=False, width=_NEVER_CUT, color_system=None)


class Facts:
    """Short facts beside one another, as many to a line as fit; none is broken."""

    def __init__(self, facts: Sequence[str]) -> None:
        self._facts = facts

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Fill lines up to the width at hand."""
        line = ""
        for fact in self._facts:
            longer = f"{line}   {fact}" if line else fact
            if line and cell_len(longer) > options.max_width:
                yield Text(line)
                longer = fact
            line = longer
        yield Text(line, no_wrap=True, overflow="ellipsis")


def can_move() -> bool:
    """True when stderr is a terminal on which lines can be drawn anew."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in {"", "dumb"}


def asks(checkpoint: object, question: object) -> Text:
    """What a gate asks, as one line."""
    return Text(f"◆ {words.plain(checkpoint)}: {words.plain(question or '')}", style="bold yellow")
