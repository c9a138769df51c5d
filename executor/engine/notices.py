"""Which notices a checkpoint puts into the outbox, in its own transaction (design.md, rule 1)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from executor.domain.build import Build
from executor.domain.events import Event
from executor.domain.notice import kind_of, notice_of
from executor.domain.step import Also
from executor.store.outbox import Outgoing, put

NOTIFY = "notify"
"""The kind of outbox rows that people are told with; their address is the channel's name."""


class Notices:
    """`base_url` is the daemon's address, without a trailing slash."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def of(self, build: Build, events: Sequence[Event]) -> Also | None:
        """What is to be written beside this checkpoint; None for a build that tells nobody."""
        if not build.notify_channels:
            return None
        messages = [message for event in events for message in self._about(build, event)]
        return _written(messages) if messages else None

    def _about(self, build: Build, event: Event) -> Iterator[Outgoing]:
        kind = kind_of(event)
        if kind is None:
            return
        notice = notice_of(build, event, kind, self._base_url)
        for channel in build.notify_channels:
            yield Outgoing(
                id=message_id(channel, build.id, event.seq),
                kind=NOTIFY,
                build_id=build.id,
                address=channel,
                body=notice,
                created_at=event.timestamp,
                subject=notice["gate_id"],
            )


def message_id(channel: str, build_id: str, seq: int) -> str:
    """The same for every try, and for every checkpoint that would tell of the same event."""
    return f"{NOTIFY}-{channel}-{build_id}-{seq}"


def _written(messages: Sequence[Outgoing]) -> Also:
    def write(connection: sqlite3.Connection) -> None:
        for message in messages:
            put(connection, message)

    return write
