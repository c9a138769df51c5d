"""What a model says, cut to the width that there is."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from executor.cli.board_model import LastWords

TEXT = "I look at the fixture first, " + "because the second test fails " * 10 + "and keep the order"


def drawn(text: str, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(LastWords(text))
    return out.getvalue()


@pytest.mark.parametrize("width", [20, 80, 120])
@pytest.mark.parametrize("text", [TEXT, "x" * 500, "漢字 " * 200])
def test_the_last_words_are_one_line_that_fits_and_ends_with_the_newest(text: str, width: int) -> None:
    line = drawn(text, width)
    assert line.count("\n") == 1
    assert cell_len(line.rstrip("\n")) <= width
    assert line.rstrip("\n”").endswith(text.strip()[-4:])
    assert "“…" in line


def test_what_fits_is_not_cut_and_lines_become_one() -> None:
    assert drawn("One.\n\n  Two.", 80) == "    “One. Two.”\n"
