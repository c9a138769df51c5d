"""What `view` answers for a file and for a directory."""

from __future__ import annotations

from collections.abc import Sequence

from executor.agent.tool_result import ToolResult
from executor.agent.tool_snippets import lines_of, numbered
from executor.errors import Invalid
from executor.sandbox.workspace import MOST_ENTRIES
from executor.sandbox.workspace_names import INSIDE, shown

LONGEST_VIEW = 64_000
"""Characters of one view; what lies beyond is seen with view_range."""


def view_file(path: str, text: str, span: tuple[int, int] | None) -> ToolResult:
    """The numbered lines of a file, or of a span of it. Raises Invalid for a span that is not in it."""
    lines = lines_of(text)
    if not lines:
        return ToolResult(f"{shown(path)} is empty.")
    first, last = _bounds(path, span, len(lines))
    whole = numbered(lines[first - 1 : last], first)
    if len(whole) <= LONGEST_VIEW:
        return ToolResult(whole)
    kept = whole[: whole.rfind("\n", 0, LONGEST_VIEW)]
    seen = first + kept.count("\n")
    note = f"[lines {seen + 1} to {last} are not shown; see them with view_range [{seen + 1}, {last}]]"
    return ToolResult(f"{kept}\n{note}", full_output=whole)


def view_directory(path: str, entries: Sequence[str]) -> ToolResult:
    """The paths below a directory, two levels deep, as they are used in further calls."""
    here = shown(path)
    listed = "\n".join(f"{INSIDE}/{entry}" for entry in entries) or "(nothing but perhaps hidden files)"
    more = "\n[there is more; view a directory below]" if len(entries) >= MOST_ENTRIES else ""
    return ToolResult(f"{here}/, two levels deep, without hidden files:\n{listed}{more}")


def _bounds(path: str, span: tuple[int, int] | None, count: int) -> tuple[int, int]:
    first, last = span or (1, -1)
    if last == -1:
        last = count
    if not 1 <= first <= count or last < first:
        raise Invalid(
            f"view_range {list(span or ())} is not in {shown(path)}, which has {count} lines.",
            hint=f"The first number is 1 to {count}, the second is not smaller, or -1 for the end.",
        )
    return first, min(last, count)
