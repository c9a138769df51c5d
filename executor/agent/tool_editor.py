"""`str_replace_based_edit_tool` of the Messages API (text_editor_20250728), on the files of one workspace."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from executor.agent.tool_arguments import Arguments
from executor.agent.tool_forms import EDITOR
from executor.agent.tool_near import explain_missing
from executor.agent.tool_result import ToolResult
from executor.agent.tool_snippets import around, lines_of, unparsable
from executor.agent.tool_view import view_directory, view_file
from executor.errors import Invalid, NotFound
from executor.sandbox.workspace import Workspace
from executor.sandbox.workspace_names import INSIDE, shown

_MOST_NUMBERS = 100
_NO_UNDO = (
    "undo_edit does not exist in this version of the tool. Make the opposite edit with str_replace, or write"
    " the file anew with create."
)


class EditorTool:
    """View, create, str_replace and insert. An edit answers with the lines around it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._commands: dict[str, Callable[[Arguments, str], ToolResult]] = {
            "view": self._view,
            "create": self._create,
            "str_replace": self._replace,
            "insert": self._insert,
        }

    async def run(self, given: Mapping[str, Any]) -> ToolResult:
        """Run one command in a thread; raises Transient when the disk does not take it."""
        return await asyncio.to_thread(self._run, Arguments(EDITOR, given))

    def _run(self, arguments: Arguments) -> ToolResult:
        try:
            command = arguments.text("command")
            if command == "undo_edit":
                raise Invalid(_NO_UNDO)
            if command not in self._commands:
                raise Invalid(
                    f"There is no command {command[:80]!r}. There are: {', '.join(self._commands)}."
                )
            return self._commands[command](arguments, arguments.text("path"))
        except (Invalid, NotFound) as error:
            return ToolResult(str(error), is_error=True)

    def _view(self, arguments: Arguments, path: str) -> ToolResult:
        span = arguments.span("view_range")
        if not self._workspace.is_directory(path):
            return view_file(path, self._text(path), span)
        if span is not None:
            raise Invalid(f"{shown(path)} is a directory, so view_range means nothing there. Leave it out.")
        return view_directory(path, self._workspace.listing(path))

    def _create(self, arguments: Arguments, path: str) -> ToolResult:
        text = arguments.text("file_text")
        was_there = self._workspace.exists(path)
        self._write(path, text)
        what = "Overwrote the whole of" if was_there else "Created"
        return _said(path, f"{what} {shown(path)}: {len(lines_of(text))} lines.", text)

    def _replace(self, arguments: Arguments, path: str) -> ToolResult:
        old, new = arguments.text("old_str"), arguments.text("new_str", "")
        text = self._text(path)
        start = _only_place(path, text, old, new)
        edited = text[:start] + new + text[start + len(old) :]
        self._write(path, edited)
        first = text.count("\n", 0, start) + 1
        snippet = around(edited, first, first + new.count("\n"))
        return _said(path, f"Edited {shown(path)}. It reads now:\n{snippet}", edited)

    def _insert(self, arguments: Arguments, path: str) -> ToolResult:
        after = arguments.number("insert_line")
        older = arguments.has("new_str") and not arguments.has("insert_text")  # its name before 2025-07-28
        added = arguments.text("new_str" if older else "insert_text")
        added += "" if added.endswith("\n") else "\n"
        text = self._text(path)
        head = text[: _end_of_line(path, text, after)]
        head += "" if head.endswith("\n") or not head else "\n"
        edited = head + added + text[len(head) :]
        self._write(path, edited)
        count = added.count("\n")
        snippet = around(edited, after + 1, after + count)
        return _said(path, f"Inserted {count} line(s) into {shown(path)}. It reads now:\n{snippet}", edited)

    def _text(self, path: str) -> str:
        try:
            data = self._workspace.read(path)
        except NotFound as error:
            raise NotFound(error.message, hint=self._meant(path)) from error
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise Invalid(
                f"{shown(path)} is a binary file of {len(data):,} bytes.",
                hint="Look at it with bash: file, xxd.",
            )
        return text

    def _write(self, path: str, text: str) -> None:
        if "\0" in text:
            raise Invalid(f"A NUL character stands in the text for {shown(path)}. Nothing was written.")
        self._workspace.write(path, text.encode())

    def _meant(self, path: str) -> str:
        """The files at the top of the workspace and beside a missing one whose names are nearest to it."""
        wanted = shown(path).removeprefix(f"{INSIDE}/")
        parent = wanted.rpartition("/")[0]
        beside = self._workspace.listing(parent) if self._workspace.is_directory(parent) else []
        files = {name for name in (*self._workspace.listing(), *beside) if not name.endswith(("/", "@"))}
        near = difflib.get_close_matches(wanted, sorted(files), n=3, cutoff=0.6)
        if not near:
            return f"View {INSIDE} to see what is there."
        return f"Did you mean {' or '.join(f'{INSIDE}/{name}' for name in near)}?"


def _only_place(path: str, text: str, old: str, new: str) -> int:
    """The offset of the one place where `old` stands; raises Invalid that helps to mend the call."""
    if not old:
        raise Invalid("`old_str` is empty. Use insert to add lines, or create to write the whole file.")
    if old == new:
        raise Invalid("`old_str` and `new_str` are the same, so nothing would change.")
    places = []
    start = text.find(old)
    while start >= 0:
        places.append(start)
        start = text.find(old, start + 1)
    if not places:
        raise Invalid(
            f"`old_str` does not stand in {shown(path)}. Nothing was changed. {explain_missing(text, old)}"
        )
    if len(places) > 1:
        raise Invalid(
            f"`old_str` stands {len(places)} times in {shown(path)}, {_line_numbers(text, places)}. Nothing"
            " was changed. Take in enough of the lines around the one you mean to make it the only one."
        )
    return places[0]


def _line_numbers(text: str, places: Sequence[int]) -> str:
    numbers = sorted({text.count("\n", 0, place) + 1 for place in places[:_MOST_NUMBERS]})
    more = f" and {len(places) - _MOST_NUMBERS} more" if len(places) > _MOST_NUMBERS else ""
    return f"beginning in line(s) {', '.join(map(str, numbers))}{more}"


def _end_of_line(path: str, text: str, number: int) -> int:
    """The offset behind a line and its line break; 0 for line 0."""
    count = len(lines_of(text))
    if not 0 <= number <= count:
        raise Invalid(
            f"insert_line {number} is not in {shown(path)}, which has {count} lines. Nothing was changed.",
            hint=f"0 inserts before the first line, {count} after the last.",
        )
    offset = 0
    for _ in range(number):
        offset = text.find("\n", offset) + 1 or len(text)
    return offset


def _said(path: str, sentence: str, text: str) -> ToolResult:
    """The answer to an edit, with a warning where a Python file no longer parses."""
    problem = unparsable(path, text)
    return ToolResult(f"{sentence}\n{problem}" if problem else sentence)
