"""What the web layer is lent: the engine by protocol, the store, and the daemon's own facts.

The web layer and the engine are siblings that do not import each other; the composition root joins them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from executor.domain.build import Build
from executor.domain.estimate import Estimator
from executor.domain.events import Event
from executor.errors import Unavailable
from executor.settings_tables import Settings
from executor.store.store import Store
from executor.web.pulse import Pulse
from executor.web.traffic import Traffic


class SubmitReply(Protocol):
    """The answer to a submit; `estimated_completion` is in seconds since the epoch."""

    @property
    def build(self) -> Build:
        """The stored build."""
        ...

    @property
    def estimated_completion(self) -> float:
        """When it will probably be done."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the person who asked."""
        ...

    @property
    def replayed(self) -> bool:
        """True when the idempotency key had been seen with this body."""
        ...


class Commands(Protocol):
    """The engine's verbs. They raise Conflict, NotFound, Invalid, Overloaded or Unavailable."""

    async def submit(self, request: Any) -> SubmitReply:
        """Store a new build; `request` is what `Api.submit_request` made."""
        ...

    async def preview(self, request: Any) -> dict[str, Any]:
        """What a submit would do, without doing any of it."""
        ...

    async def approve(
        self,
        build_id: str,
        *,
        checkpoint: str | None,
        decision: str,
        feedback: str,
        gate_id: str | None,
        by: str = "",
    ) -> Build:
        """Decide at the open gate, else the review; `by` is who decided, where that is known."""
        ...

    async def answer(self, build_id: str, answers: Mapping[str, str]) -> Build:
        """Answer the open questions."""
        ...

    async def top_up(self, build_id: str, usd: float) -> Build:
        """Raise the budget."""
        ...

    async def cancel(self, build_id: str) -> Build:
        """Stop the build."""
        ...

    async def retry(self, build_id: str, from_step: int | None) -> Build:
        """Queue the build again."""
        ...

    async def rollback(self, build_id: str, to: str | None = None) -> Build:
        """Withdraw the build's release; `to` serves again instead."""
        ...


class Live(Protocol):
    """What is happening right now, in memory."""

    @property
    def estimator(self) -> Estimator:
        """Progress and remaining time from history."""
        ...

    @property
    def draining(self) -> bool:
        """True from the moment the daemon was asked to stop."""
        ...

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Builds that are queued, running and waiting."""
        ...

    def fraction(self, build_id: str) -> float | None:
        """How much of the current step is done, if it can tell."""
        ...

    def details(self, build_id: str) -> Mapping[str, Any]:
        """The current action in words and counts."""
        ...


class Frame(Protocol):
    """One committed event with its wire form, encoded once for all watchers."""

    @property
    def event(self) -> Event:
        """The event."""
        ...

    @property
    def text(self) -> str:
        """Its wire form."""
        ...


class Subscription(Protocol):
    """The frames of one build since the subscription began."""

    @property
    def overflowed(self) -> bool:
        """True once this reader fell behind and frames were dropped."""
        ...

    def offer(self, frames: Sequence[Any]) -> None:
        """Take frames; with none it only wakes the reader."""
        ...

    async def take(self, timeout: float | None = None) -> Sequence[Frame]:
        """Return what has come, waiting up to `timeout` seconds for the first frame."""
        ...


class Bus(Protocol):
    """Hands out committed events."""

    def subscribe(self, build_id: str | None, limit: int = ...) -> AbstractContextManager[Subscription]:
        """Listen to one build while the context is open; `limit` frames may wait for a slow reader."""
        ...


@dataclass(frozen=True, slots=True)
class Dependency:
    """A service that the daemon leans on, as last seen. `status` is connected, available or unavailable."""

    name: str
    kind: str
    status: str
    host: str = ""
    impact: str = ""
    required: bool = False
    last_check: float | None = None


MOST_WATCHERS = 1536


class Wakeable(Protocol):
    """Something that looks at the daemon's condition when it is offered nothing."""

    def offer(self, frames: Sequence[Any], /) -> None:
        """Take frames; with none it only wakes up."""
        ...


class Watchers:
    """The open streams, so that a drain can wake them all at once, and no more of them than `most`."""

    def __init__(self, most: int = MOST_WATCHERS) -> None:
        self._most = most
        self._subscriptions: set[Wakeable] = set()

    def __len__(self) -> int:
        return len(self._subscriptions)

    def admit(self) -> None:
        """Raise Unavailable when there are as many as there may be."""
        if len(self._subscriptions) >= self._most:
            raise Unavailable(
                f"{self._most} streams are open, and the daemon serves no more at a time.",
                hint="Come again later, ask …/status from time to time, or raise [server] max_watchers.",
                code="TOO_MANY_WATCHERS",
            )

    def add(self, subscription: Wakeable) -> None:
        """A stream begins to follow."""
        self._subscriptions.add(subscription)

    def discard(self, subscription: Wakeable) -> None:
        """It has ended."""
        self._subscriptions.discard(subscription)

    def nudge(self) -> None:
        """Let every stream look at the daemon's condition now; call it when a drain begins."""
        for subscription in tuple(self._subscriptions):
            subscription.offer(())


class Transcribes(Protocol):
    """Turns speech into text."""

    async def words(self, audio: bytes, media: str) -> str:
        """What was said, empty when nothing was. Raises Transient, Permanent or Invalid."""
        ...


class Clicks(Protocol):
    """What decides on presses of buttons in Slack."""

    async def handle(self, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Decide; returns what Slack is to be answered. Raises Invalid for a malformed payload."""
        ...


@dataclass(frozen=True, slots=True)
class Api:
    """Everything the routes use. `submit_request` makes the engine's SubmitRequest from keywords.

    `base_url` is the address that replies name, without a trailing slash; `started_at` is in seconds since
    the epoch; `health_of` answers for a release id from a cache and never waits. `state_key` is what
    sessions and approval links are signed with; `channels` are the names that a submit may tell, with what
    each lacks to be told anything; `transcriber` is None where nobody listens to speech; `clicks` takes
    what Slack signs with `slack_signing_secret`.
    """

    commands: Commands
    submit_request: Callable[..., Any]
    store: Store
    bus: Bus
    live: Live
    settings: Settings
    base_url: str
    version: str
    started_at: float
    provider: str = "scaffold"
    health_of: Callable[[str], str] = lambda _: "unknown"
    dependencies: Callable[[], Sequence[Dependency]] = tuple
    state_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    channels: Mapping[str, str] = field(default_factory=dict)
    transcriber: Transcribes | None = None
    clicks: Clicks | None = None
    slack_signing_secret: str = field(default="", repr=False)
    traffic: Traffic = field(default_factory=Traffic)
    watchers: Watchers = field(default_factory=Watchers)
    pulse: Pulse = field(default_factory=Pulse)
