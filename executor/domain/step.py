"""The protocol of a step and of what the engine lends it while it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from executor.domain.build import Build
from executor.domain.outcome import Artifact, Outcome

Probe = Callable[[], Awaitable[Mapping[str, Any] | None]]
Act = Callable[[], Awaitable[Mapping[str, Any]]]
Also = Callable[[Any], object]
"""Further rows for a checkpoint: called with the database's connection inside its transaction."""


def both(first: Also | None, second: Also | None) -> Also | None:
    """One after the other, where there are two."""
    if first is None or second is None:
        return first or second

    def also(connection: Any) -> None:
        first(connection)
        second(connection)

    return also


@dataclass(frozen=True, slots=True)
class Said:
    """Something that a person decided or answered, or what sent the build back (`repair`)."""

    checkpoint: str
    decision: str
    feedback: str


class StepContext(Protocol):
    """What a step may know and do. Everything it records is durable when the call returns."""

    @property
    def build(self) -> Build:
        """The build as of the last checkpoint."""
        ...

    def now(self) -> float:
        """The injected clock: seconds since the epoch."""
        ...

    def progress(self, action: str, fraction: float | None = None, **details: Any) -> None:
        """Say what is being done right now; live only, never stored."""
        ...

    def log(self, text: str, level: str = "info") -> None:
        """Add lines to the build's log; they are written within a second, in order."""
        ...

    async def record(
        self,
        event_type: str,
        message: str,
        facts: Mapping[str, Any] | None = None,
        *,
        data: Mapping[str, Any] | None = None,
        also: Also | None = None,
        artifacts: tuple[Artifact, ...] = (),
        progressed: bool = False,
    ) -> None:
        """Write an event (and facts, artifacts, rows by `also`) in a checkpoint of its own before going on.

        `data` is what the event carries, by default the facts. `progressed` ends the count of retries: what
        was waited for has answered.
        """
        ...

    async def effect(self, key: str, *, probe: Probe, act: Act) -> Mapping[str, Any]:
        """Do a side effect once: intent row, probe, act, done row; a done effect answers its result."""
        ...

    async def artifact(self, kind: str, version: int | None = None) -> str | None:
        """Read back the newest (or one) version of an artifact of this build."""
        ...

    async def feedback(self) -> tuple[str, ...]:
        """What people and repairs have said about this build, oldest first."""
        ...

    async def sayings(self) -> tuple[Said, ...]:
        """Every decision, answer and repair of this build, oldest first, also those without words."""
        ...


class Step(Protocol):
    """One of the eight. Running it again after a crash must end where one run would have ended."""

    @property
    def number(self) -> int:
        """1 to 8."""
        ...

    async def run(self, context: StepContext) -> Outcome:
        """Do the step's work. Raises Transient to be tried again later, Permanent to fail the build."""
        ...


class Withdrawal(Protocol):
    """How a build's release is taken back: the earlier one serves again, or nothing of it is left."""

    async def run(self, context: StepContext) -> Outcome:
        """Undo deployment and registration of this build. Raises Transient to be tried again later."""
        ...
