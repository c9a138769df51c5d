"""What a model is doing and has spent, as lines of the board: rounds, tests, its last words, its tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from executor.cli import words

_INDENT = "    "
_OUTPUT_LINES = 10


class LastWords:
    """The end of a text on one line: what does not fit is left out in front, where it is oldest."""

    def __init__(self, text: str) -> None:
        self._text = " ".join(text.split())

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Cut to the width at hand, at a word where there is one near."""
        room = max(0, options.max_width - len(_INDENT) - 2)
        yield Text(f"{_INDENT}“{_end_of(self._text, room)}”", style="italic dim", no_wrap=True)


def doing(document: Mapping[str, Any]) -> list[RenderableType]:
    """Below the steps: how far the rounds are, which tool ran on what, and the model's last words."""
    details = document.get("current_step_details") or {}
    facts = [*_rounds(details), *_tests(details), *_files(details), *_tool(details)]
    lines: list[RenderableType] = []
    if facts:
        lines.append(Text(f"{_INDENT}{' · '.join(facts)}", no_wrap=True, overflow="ellipsis"))
    if said := words.plain(details.get("text") or "").strip():
        lines.append(LastWords(said))
    return lines


def spent(document: Mapping[str, Any]) -> list[RenderableType]:
    """Which model, how often it was called, how many tokens; nothing where no model was called."""
    turns = document.get("turns") or 0
    if not turns:
        return []
    facts = [words.plain(document.get("model") or "a model"), words.count(turns, "turn")]
    if isinstance(document.get("tokens"), int):
        facts.append(f"{words.thousands(document['tokens'])} tokens")
    if (rate := document.get("cache_hit_rate")) is not None:
        facts.append(f"{words.percent(rate)} of the prompts from the cache")
    return [Text("   ".join(facts), style="dim", no_wrap=True, overflow="ellipsis")]


def dossier(question: Mapping[str, Any]) -> list[RenderableType]:
    """What a person needs to help a build that is stuck: what was tried, and how the last output ended."""
    known = question.get("dossier")
    if not isinstance(known, Mapping):
        return []
    lines: list[RenderableType] = []
    if known.get("tried"):
        lines.append(Text("    tried so far:"))
        lines += [_line(row) for row in str(known["tried"]).splitlines()]
    if known.get("output"):
        lines.append(Text("    the end of the last output:"))
        lines += [_line(row) for row in str(known["output"]).rstrip().splitlines()[-_OUTPUT_LINES:]]
    return lines


def _line(text: str) -> Text:
    return Text(f"      {words.plain(text)}", style="dim", no_wrap=True, overflow="ellipsis")


def _rounds(details: Mapping[str, Any]) -> Iterator[str]:
    done, most = details.get("ai_iterations") or 0, details.get("max_iterations")
    current = max(done, details.get("iteration") or 0)
    if current:
        yield f"iteration {current} of {most}" if most else words.count(current, "iteration")


def _tests(details: Mapping[str, Any]) -> Iterator[str]:
    passing, failing = details.get("tests_passing") or 0, details.get("tests_failing") or 0
    if passing or failing:
        yield f"{passing} tests pass, {failing} fail" if failing else words.count(passing, "test") + " pass"


def _files(details: Mapping[str, Any]) -> Iterator[str]:
    if details.get("files_created"):
        yield words.count(details["files_created"], "file")


def _tool(details: Mapping[str, Any]) -> Iterator[str]:
    if details.get("tool"):
        yield words.tool(details["tool"], details.get("file"))


def _end_of(text: str, room: int) -> str:
    if cell_len(text) <= room:
        return text
    while text and cell_len(text) > room - 1:
        text = text[1:]
    start = text.find(" ")
    return "…" + (text[start:] if 0 <= start < 20 else text)
