"""Where rich draws: the terminal's width on a terminal, never cut in a pipe or a file."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text

from executor.cli import words

_NEVER_CUT = 4000


def stdout() -> Console:
    """The console for data."""
    if sys.stdout.isatty():
        return Console(highlight=False, markup=False)
    return Console(highlight=False, markup=False, width=_NEVER_CUT, color_system=None)


def asks(checkpoint: object, question: object) -> Text:
    """What a gate asks, as one line."""
    return Text(f"◆ {words.plain(checkpoint)}: {words.plain(question or '')}", style="bold yellow")
