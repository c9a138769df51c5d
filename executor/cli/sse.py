"""Following a build's events without loss or repeat, across lost links and restarts of the daemon."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from typing import Any

from executor.cli.client import Daemon, Refused, Unreachable, segment

# A daemon that works ticks every 10 s and one that waits sends comments: this much silence is a dead link.
_SILENCE = 60.0
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0


@dataclass(frozen=True, slots=True)
class Message:
    """One server-sent message: its event name, its id (""), and its data as JSON (None when it is none)."""

    name: str
    id: str
    data: Any


@dataclass(frozen=True, slots=True)
class Item:
    """What the follower tells: kind is event, tick, lost, back or refused."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    error: Refused | None = None


def messages(response: HTTPResponse) -> Iterator[Message]:
    """Parse a text/event-stream until it ends. Raises OSError or HTTPException when the link breaks."""
    fields: dict[str, str] = {}
    while line := response.readline():
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if text:
            name, _, value = text.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields['data']}\n{value}" if name == "data" and "data" in fields else value
        else:
            if "data" in fields:
                yield Message(fields.get("event", "message"), fields.get("id", ""), _json(fields["data"]))
            fields = {}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


class Follower(threading.Thread):
    """Reads the stream in the background and puts every event in `items` once, in the order of seq."""

    def __init__(self, daemon: Daemon, build_id: str, after: int) -> None:
        super().__init__(daemon=True, name=f"follow-{build_id}")
        self.items: queue.Queue[Item] = queue.Queue()
        self._daemon_link = daemon
        self._path = f"/executor/builds/{segment(build_id)}/events"
        self._after = after
        self._lost = False
        self._stop_asked = threading.Event()

    def stop(self) -> None:
        """Ask for the end; the thread leaves at the next line or pause."""
        self._stop_asked.set()

    def run(self) -> None:
        """Connect, follow, connect again; only the daemon's own no ends it early."""
        wait = _FIRST_WAIT
        while not self._stop_asked.is_set():
            before = self._after
            try:
                self._follow()
            except Refused as refusal:
                if refusal.status not in {429, 500, 502, 503, 504}:
                    self.items.put(Item("refused", error=refusal))
                    return
                self._say_lost()
            except (Unreachable, OSError, HTTPException):
                self._say_lost()
            wait = _FIRST_WAIT if self._after > before else min(wait * 2, _LONGEST_WAIT)
            self._stop_asked.wait(wait)

    def _follow(self) -> None:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(self._after)}
        with self._daemon_link.stream(f"{self._path}?after={self._after}", headers, _SILENCE) as response:
            if self._lost:
                self._lost = False
                self.items.put(Item("back"))
            for message in messages(response):
                if self._stop_asked.is_set():
                    return
                self._take(message)

    def _take(self, message: Message) -> None:
        if not isinstance(message.data, dict):
            return
        seq = message.data.get("seq")
        if not isinstance(seq, int):
            self.items.put(Item("tick", message.data))
        elif seq > self._after:
            self._after = seq
            self.items.put(Item("event", message.data))

    def _say_lost(self) -> None:
        if not self._lost:
            self._lost = True
            self.items.put(Item("lost"))
