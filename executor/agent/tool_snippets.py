"""Numbered lines, as `cat -n` writes them and as models know them from this tool."""

from __future__ import annotations

import ast
import platform
from collections.abc import Sequence

_AROUND = 4
_MOST_LINES = 40
_LONGEST_LINE = 2_000
_MOST_PARSED = 100_000  # characters; the parser lets nothing else run, for a tenth of a second here


def lines_of(text: str) -> list[str]:
    """The lines of a text without their ends; a last line break begins no further line."""
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def numbered(lines: Sequence[str], first: int = 1) -> str:
    """Each line behind its number and a tab; a line of more than 2,000 characters is cut and says so."""
    return "\n".join(f"{number:6}\t{_short(line)}" for number, line in enumerate(lines, first))


def around(text: str, first: int, last: int) -> str:
    """The lines `first` to `last`, counted from 1, with four more on either side; of many, both ends."""
    lines = lines_of(text)
    begin, end = max(first - _AROUND, 1), min(last + _AROUND, len(lines))
    if end - begin < _MOST_LINES:
        return numbered(lines[begin - 1 : end], begin)
    half = _MOST_LINES // 2
    left_out = end - begin + 1 - 2 * half
    head, tail = lines[begin - 1 :][:half], lines[end - half : end]
    return f"{numbered(head, begin)}\n[... {left_out} lines ...]\n{numbered(tail, end - half + 1)}"


def unparsable(name: str, text: str) -> str:
    """In words, why a Python file does not parse; empty where it does, is no Python or is very large."""
    if not name.endswith(".py") or len(text) > _MOST_PARSED:
        return ""
    version = ".".join(platform.python_version_tuple()[:2])
    try:
        ast.parse(text)
    except SyntaxError as error:
        return f"It does not parse as Python {version}: line {error.lineno}: {error.msg}."
    except (ValueError, RecursionError, MemoryError) as error:
        return f"It does not parse as Python {version}: {error or 'it is nested too deeply'}."
    return ""


def _short(line: str) -> str:
    if len(line) <= _LONGEST_LINE:
        return line
    return f"{line[:_LONGEST_LINE]} [... {len(line) - _LONGEST_LINE} more characters in this line]"
