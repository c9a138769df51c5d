"""Watching a build until it finishes or waits for a person."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Mapping
from typing import Any, Protocol

from executor.cli import exits
from executor.cli.client import Daemon, Refused, Unreachable, segment
from executor.cli.exits import CliError
from executor.cli.sse import Follower, Item

# An event may have ended the build: the status is read as soon as the burst of events has passed.
_BURST = 0.15


class View(Protocol):
    """How a watched build is shown."""

    interval: float
    """Seconds between two readings of the status while nothing happens."""

    def event(self, event: Mapping[str, Any]) -> None:
        """A stored event, once, in order."""
        ...

    def tick(self, frame: Mapping[str, Any]) -> None:
        """A live frame that is not stored."""
        ...

    def status(self, document: Mapping[str, Any]) -> None:
        """The newest status document."""
        ...

    def lost(self) -> None:
        """The link to the daemon broke; it is being restored."""
        ...

    def back(self) -> None:
        """The link is there again."""
        ...


def status_of(daemon: Daemon, build_id: str) -> dict[str, Any]:
    """Read the status document. Raises CliError."""
    document = daemon.get(f"/executor/builds/{segment(build_id)}/status").json()
    return document if isinstance(document, dict) else {}


def watch(
    daemon: Daemon, build_id: str, view: View, *, after: int = 0, timeout: float | None = None
) -> dict[str, Any]:
    """Show every event after `after` and return the status document of the end or of the wait.

    Raises CliError with exit code 124 when `timeout` seconds have passed, and what the daemon refuses.
    """
    document = status_of(daemon, build_id)
    return _Watching(daemon, build_id, view, after=after, timeout=timeout).until_over(document)


class _Watching:
    def __init__(
        self, daemon: Daemon, build_id: str, view: View, *, after: int, timeout: float | None
    ) -> None:
        self._daemon, self._build_id, self._view = daemon, build_id, view
        self._follower = Follower(daemon, build_id, after)
        self._seen = after
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._dirty = True

    def until_over(self, document: dict[str, Any]) -> dict[str, Any]:
        self._follower.start()
        try:
            return self._shown_until_over(document)
        finally:
            self._follower.stop()

    def _shown_until_over(self, document: dict[str, Any]) -> dict[str, Any]:
        self._view.status(document)
        read_at = time.monotonic()
        while not self._is_over(document):
            pause = _BURST if self._dirty else max(0.05, read_at + self._view.interval - time.monotonic())
            item = self._next(pause)
            if item is not None:
                self._show(item)
                if time.monotonic() - read_at < self._view.interval:
                    continue
            with contextlib.suppress(Unreachable):
                document = self._read(document)
                self._view.status(document)
            self._dirty, read_at = False, time.monotonic()
        return document

    def _is_over(self, document: Mapping[str, Any]) -> bool:
        """Only when every event up to the document's own has been shown: the last line is never cut."""
        return exits.for_build(document) is not None and self._seen >= int(document.get("last_seq") or 0)

    def _next(self, pause: float) -> Item | None:
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise CliError(
                    "The time given to --timeout has passed; the build goes on.",
                    hint=f"Follow it: fpai watch {self._build_id}",
                    exit_code=exits.TIMED_OUT,
                )
            pause = min(pause, left)
        try:
            return self._follower.items.get(timeout=pause)
        except queue.Empty:
            return None

    def _show(self, item: Item) -> None:
        if item.kind == "event":
            self._seen = int(item.data["seq"])
            self._dirty = True
            self._view.event(item.data)
        elif item.kind == "tick":
            self._view.tick(item.data)
        elif item.kind == "lost":
            self._view.lost()
        elif item.kind == "back":
            self._dirty = True
            self._view.back()
        elif item.error is not None:
            raise item.error

    def _read(self, document: dict[str, Any]) -> dict[str, Any]:
        try:
            return status_of(self._daemon, self._build_id)
        except Refused as refusal:
            # A daemon that is just starting or ending says 503; what was known still stands.
            if refusal.exit_code == exits.UNREACHABLE:
                return document
            raise
