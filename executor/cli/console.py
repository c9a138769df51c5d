"""Where rich draws: the terminal's width on a terminal, never cut in a pipe or a file."""

from __future__ import annotations

import sys

from rich.console import Console

_NEVER_CUT = 4000


def stdout() -> Console:
    """The console for data."""
    if sys.stdout.isatty():
        return Console(highlight=False, markup=False)
    return Console(highlight=False, markup=False, width=_NEVER_CUT, color_system=None)
