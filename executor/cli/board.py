"""One build as a person sees it: eight steps with bars, what happens now, what it asks, where it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from executor.cli import board_model, evidence, exits, words
from executor.cli.advice import next_commands
from executor.cli.console import Facts, asks
from executor.domain.build import STEP_NAMES

_BAR, _TIME = 16, 7
_MOVING = frozenset({"in_progress", "started"})


def board(
    document: Mapping[str, Any],
    *,
    tail: Sequence[str] = (),
    told: Sequence[RenderableType] = (),
    moving: bool = False,
    note: str = "",
) -> RenderableType:
    """Render a status document.

    `moving` animates; `tail` is the log's end; `told` says who was told; `note` says what is amiss.
    """
    parts: list[RenderableType] = [headline(document), _steps(document, moving)]
    if document.get("status") != "complete":
        parts += board_model.doing(document)
    parts += [_figures(document), *board_model.spent(document)]
    if note:
        # Above what a low terminal cuts off.
        parts.append(Text(f"! {note}", style="bold yellow"))
    parts += [Text(f"  {words.plain(line)}", style="dim", no_wrap=True, overflow="ellipsis") for line in tail]
    parts += [Text(f"! {words.plain(line)}", style="yellow") for line in document.get("warnings") or ()]
    if not moving:
        parts += _left_out(document)
    for section in (_waiting, _error, _questions, _gate, _places):
        parts += section(document)
    parts += told
    commands = [] if moving and exits.for_build(document) is None else next_commands(document)
    if commands:
        parts.append(pairs([(f"next: {what}", command) for what, command in commands], "cyan"))
    return Group(*parts)


def headline(document: Mapping[str, Any]) -> RenderableType:
    """Which droplet, in which state, which build, and the words that it is built from."""
    colour, mark, status = words.state_words(document.get("status"))
    line = Text.assemble(
        (words.droplet_title(document), "bold"), "  ", (f"{mark} {status}", f"bold {colour}"), overflow="fold"
    )
    intent = Text(
        words.plain(document.get("intent") or ""), style="italic dim", no_wrap=True, overflow="ellipsis"
    )
    return Group(line, Text(str(document.get("build_id")), style="dim"), intent)


def _steps(document: Mapping[str, Any], moving: bool) -> Table:
    done = {row["step"]: row for row in document.get("steps_completed") or ()}
    current = document.get("current_step")
    # Only the last column may wrap, so rich makes it alone narrower; its text is cut instead of wrapped.
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(width=1, no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(width=_BAR, no_wrap=True)
    table.add_column(justify="right", no_wrap=True, min_width=_TIME)
    table.add_column()
    for number, name in enumerate(STEP_NAMES, 1):
        label = f"{number} {name}"
        if number == current and document.get("status") != "complete":
            # While a release is withdrawn the daemon names that instead of one of the eight.
            label = f"{number} {words.plain(document.get('current_step_name') or name)}"
            table.add_row(*_current_row(document, label, moving))
        elif number in done:
            table.add_row(*_done_row(label, done[number].get("duration_seconds")))
        else:
            table.add_row(
                Text("·", style="dim"), Text(label, style="dim"), ProgressBar(1, 0, width=_BAR), "", ""
            )
    return table


def _done_row(label: str, seconds: object) -> list[RenderableType]:
    bar = ProgressBar(1, 1, width=_BAR, finished_style="green")
    return [Text("✓", style="green"), Text(label), bar, Text(words.short_duration(seconds), style="dim"), ""]


def _current_row(document: Mapping[str, Any], label: str, moving: bool) -> list[RenderableType]:
    colour, mark, status = words.state_words(document.get("status"))
    details = document.get("current_step_details") or {}
    works = document.get("status") in _MOVING
    first: RenderableType = Spinner("dots", style=colour) if works and moving else Text(mark, style=colour)
    fraction = details.get("fraction")
    known = isinstance(fraction, (int, float))
    bar = ProgressBar(
        1,
        min(max(float(fraction or 0), 0.0), 1.0),
        width=_BAR,
        pulse=works and moving and not known,
        complete_style=colour,
    )
    return [
        first,
        Text(label, style=f"bold {colour}"),
        bar,
        _since(details),
        Text(_action(document, status), no_wrap=True, overflow="ellipsis"),
    ]


def _since(details: Mapping[str, Any]) -> Text:
    left = words.seconds_until(details.get("started_at"))
    return Text("" if left is None else words.short_duration(-left), style="dim")


def _action(document: Mapping[str, Any], status: str) -> str:
    details = document.get("current_step_details") or {}
    action = words.plain(details.get("action") or "") if document.get("status") in _MOVING else ""
    if details.get("tool") and action == f"running {details['tool']}":
        action = f"running {words.tool(details['tool'])}"
    # The step's name says already whose words these are.
    parts = [action.removeprefix("apprentice: ") or status]
    if (document.get("attempt") or 1) > 1:
        parts.append(f"attempt {document['attempt']}")
    return " · ".join(parts)


def _figures(document: Mapping[str, Any]) -> RenderableType:
    facts = [f"{document.get('progress_percent', 0)} %"]
    facts.append(f"elapsed {words.short_duration(document.get('elapsed_seconds'))}")
    if exits.for_build(document) is None:
        left = f"about {words.short_duration(document.get('remaining_seconds'))} left"
        facts.append(f"{left} ({words.clock(document.get('estimated_completion'))})")
    facts.append(words.cost(document))
    for key, label in (("approval_mode", "mode"), ("provider", "provider")):
        if document.get(key) and not (key == "provider" and document.get("turns")):
            facts.append(f"{label} {document[key]}")
    return Facts(facts)


def _left_out(document: Mapping[str, Any]) -> list[RenderableType]:
    """What a build without a model did not do; while it moves, its log says the same."""
    missing = document.get("left_out") or ()
    told = [Text("○ No model was used; left out:", style="yellow")] if missing else []
    return [*told, *(Text(f"  - {words.plain(line)}", style="dim") for line in missing)]


def _waiting(document: Mapping[str, Any]) -> list[RenderableType]:
    reason = document.get("waiting_reason")
    if not reason or document.get("gate"):
        return []
    again = f" Tried again at {words.clock(document['retry_at'])}." if document.get("retry_at") else ""
    return [Text(f"◌ {words.plain(reason)}{again}", style="magenta")]


def _error(document: Mapping[str, Any]) -> list[RenderableType]:
    error = document.get("error")
    if not isinstance(error, dict):
        return []
    told = [Text(f"✗ {words.plain(error.get('message', ''))}", style="red")]
    if error.get("hint"):
        told.append(Text(f"  {words.plain(error['hint'])}"))
    return list(told)


def _questions(document: Mapping[str, Any]) -> list[RenderableType]:
    told: list[RenderableType] = []
    for question in document.get("questions") or ():
        asked = f"? {question.get('id')}: {question.get('question')}"
        told.append(Text(words.plain(asked), style="bold yellow"))
        if question.get("options"):
            or_more = ", or any text" if question.get("free_text") else ""
            told.append(Text(f"    one of: {words.plain(', '.join(map(str, question['options'])))}{or_more}"))
        if question.get("default") is not None:
            told.append(Text(f"    default: {words.plain(question['default'])}"))
        told += board_model.dossier(question)
    return told


def _gate(document: Mapping[str, Any]) -> list[RenderableType]:
    gate = document.get("gate")
    if not isinstance(gate, dict):
        return []
    asked = asks(gate.get("checkpoint"), gate.get("asks"))
    told = list(evidence.rows(gate.get("evidence") or {}))
    return [asked, pairs(told)] if told else [asked]


def _places(document: Mapping[str, Any]) -> list[RenderableType]:
    known = (
        ("address", "deployment_url"),
        ("repository", "repository_url"),
        ("repository", "repository_path"),
        ("commit", "commit"),
        ("release", "release"),
        ("SPEC score", "spec_score"),
        ("page", "web_url"),
    )
    rows = [
        (label, words.plain(document[key])) for label, key in known if document.get(key) not in (None, "")
    ]
    return [pairs(rows)] if rows else []


def pairs(rows: Sequence[tuple[str, str]], style: str = "") -> Table:
    """Names and values in two columns; a value that is too long is folded."""
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(style=style, overflow="fold")
    for label, value in rows:
        table.add_row(Text(f"  {label}"), Text(value))
    return table
