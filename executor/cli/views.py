"""The three ways to show a watched build: a line an event, JSON lines, a live table."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from executor.cli import words
from executor.cli.client import Daemon, segment
from executor.cli.event_words import event_line
from executor.cli.exits import CliError

if TYPE_CHECKING:
    from rich.live import Live

_LOST = "The link to the daemon broke; the build is safe and goes on with it. Trying again…"
_BACK = "Connected again; nothing was missed."
_TAIL = 5
_BOARD_ROWS = 21
"""What the board needs without the log's end; a low terminal shows less of that."""
_PAGES_AT_ONCE = 20


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class LineView:
    """One line an event on stderr: clock, percent, step, message."""

    interval = 5.0

    def event(self, event: Mapping[str, Any]) -> None:
        """Print the event."""
        step = f"{event.get('step', '?')} {event.get('step_name', '')}"
        when, percent = words.clock(event.get("timestamp")), f"{event.get('progress_percent', 0)}%"
        _say(f"{when} {percent:>4}  {step:<21} {event_line(event)}")

    def tick(self, frame: Mapping[str, Any]) -> None:
        """Ticks are for the live table; a log file would only fill with them."""

    def status(self, document: Mapping[str, Any]) -> None:
        """The status adds nothing to the lines of the events."""

    def lost(self) -> None:
        """Say it once."""
        _say(_LOST)

    def back(self) -> None:
        """Say it once."""
        _say(_BACK)


class JsonView(LineView):
    """The events as they are, one JSON document a line on stdout."""

    def event(self, event: Mapping[str, Any]) -> None:
        """Print the event as JSON."""
        print(json.dumps(event, ensure_ascii=False, separators=(",", ":")), flush=True)


class LiveView:
    """A table on the terminal that moves; use as a context manager."""

    interval = 1.0

    def __init__(self, daemon: Daemon, build_id: str) -> None:
        self._daemon = daemon
        self._log = f"/executor/builds/{segment(build_id)}/log"
        self._line = 0
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._document: dict[str, Any] = {}
        self._read_at = 0.0
        self._note = ""
        self._live: Live | None = None

    def __enter__(self) -> LiveView:
        from rich.console import Console  # noqa: PLC0415 - rich is loaded only where it draws
        from rich.live import Live  # noqa: PLC0415

        self._live = Live(
            console=Console(stderr=True), get_renderable=self._render, refresh_per_second=8, transient=True
        )
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def event(self, event: Mapping[str, Any]) -> None:
        """Events reach the table through the status and the log."""
        self._document["progress_percent"] = event.get("progress_percent")

    def tick(self, frame: Mapping[str, Any]) -> None:
        """Take the newest percentage."""
        if "progress_percent" in frame:
            self._document["progress_percent"] = frame["progress_percent"]

    def status(self, document: Mapping[str, Any]) -> None:
        """Show the newest document and the log's end."""
        self._document, self._read_at = dict(document), time.monotonic()
        self._read_log()

    def lost(self) -> None:
        """Show it below the table until the link is back."""
        self._note = _LOST

    def back(self) -> None:
        """Take the note away."""
        self._note = ""

    def _read_log(self) -> None:
        try:
            for _ in range(_PAGES_AT_ONCE):
                page = self._daemon.get(self._log, after=self._line).json()
                lines = page.get("lines") or []
                self._tail.extend(str(row.get("text", "")) for row in lines)
                self._line = int(page.get("next") or self._line)
                if not lines:
                    return
        except (CliError, AttributeError, ValueError):
            # The log's end is a courtesy; the table stands without it.
            return

    def _render(self) -> Any:
        from executor.cli.board import board  # noqa: PLC0415

        rows = self._live.console.height if self._live is not None else _TAIL
        room = min(_TAIL, max(0, rows - _BOARD_ROWS))
        tail = tuple(self._tail)[len(self._tail) - min(room, len(self._tail)) :]
        return board(self._aged(), tail=tail, moving=True, note=self._note)

    def _aged(self) -> dict[str, Any]:
        """The document with its clocks moved on since it was read, so that they run smoothly."""
        age = time.monotonic() - self._read_at if self._read_at else 0.0
        document = dict(self._document)
        if isinstance(document.get("elapsed_seconds"), (int, float)):
            document["elapsed_seconds"] += age
        if isinstance(document.get("remaining_seconds"), (int, float)):
            document["remaining_seconds"] = max(0.0, document["remaining_seconds"] - age)
        return document
