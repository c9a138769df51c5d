"""Where a text that was not found might have been meant: what a model needs to mend its own call."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence

from executor.agent.tool_snippets import lines_of, numbered

_MOST_LINES = 2_000  # compared letter by letter, which takes up to half a second
_MOST_ANCHORS, _MOST_STARTS = 3, 50
_MOST_SHOWN = 40
_LONGEST_LINE = 300
_NUMBER = re.compile(r"^\s*\d+(?:\t|: )", re.MULTILINE)


def explain_missing(text: str, wanted: str) -> str:
    """Say in words how `wanted`, which stands nowhere in `text`, differs from what stands there."""
    if "\r\n" in text and wanted.replace("\r\n", "\n").replace("\n", "\r\n") in text:
        return "The lines of this file end with \\r\\n; end those of old_str likewise."
    without_numbers = _NUMBER.sub("", wanted)
    if without_numbers != wanted and without_numbers in text:
        return (
            "It is there without the line numbers: they belong to the view, not to the file. Leave them out."
        )
    there, meant = lines_of(text), lines_of(wanted)
    if found := _windows(there, meant, _without_spaces):
        return (
            "It is there with other whitespace (spaces, tabs, indentation or blank line ends). In the file it"
            f" is exactly:\n{_shown(there, found[0], len(meant))}"
        )
    if (near := _nearest(there, meant)) is not None:
        return f"The nearest lines are:\n{_shown(there, near, len(meant))}"
    return "Nothing in the file resembles it. View the file before you edit it."


def _windows(there: Sequence[str], meant: Sequence[str], form: Callable[[str], str]) -> list[int]:
    """Where the lines of `meant` stand in a row when both are written in the same form."""
    plain, looked_for = [form(line) for line in there], [form(line) for line in meant]
    if not any(looked_for):
        return []
    ends = range(len(plain) - len(looked_for) + 1)
    return [start for start in ends if plain[start : start + len(looked_for)] == looked_for]


def _nearest(there: Sequence[str], meant: Sequence[str]) -> int | None:
    """The line at which the likeliest window begins, found by the longest lines of what was meant."""
    lines = [line.strip()[:_LONGEST_LINE] for line in there[:_MOST_LINES]]
    looked_for = [line.strip()[:_LONGEST_LINE] for line in meant]
    anchors = sorted(filter(looked_for.__getitem__, range(len(meant))), key=lambda at: -len(looked_for[at]))
    for anchor in anchors[:_MOST_ANCHORS]:
        alike = set(difflib.get_close_matches(looked_for[anchor], set(lines), n=3, cutoff=0.5))
        starts = [max(number - anchor, 0) for number, line in enumerate(lines) if line in alike]
        if starts:
            return max(
                starts[:_MOST_STARTS], key=lambda at: _likeness(lines[at : at + len(meant)], looked_for)
            )
    return None


def _likeness(there: Sequence[str], meant: Sequence[str]) -> float:
    return sum(
        difflib.SequenceMatcher(None, one, other, autojunk=False).quick_ratio()
        for one, other in zip(there[:_MOST_SHOWN], meant[:_MOST_SHOWN], strict=False)
    )


def _shown(there: Sequence[str], start: int, count: int) -> str:
    return numbered(there[start : start + min(count, _MOST_SHOWN)], start + 1)


def _without_spaces(line: str) -> str:
    return " ".join(line.split())
