"""The lifecycle table bound to transitions: one shared machine, a light model for each build.

The checkpoint is written before the state changes: if it fails, the state stays where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from transitions import EventData, MachineError

from executor.domain.build import Build, State
from executor.domain.estimate import Estimator
from executor.domain.events import Event, NewEvent
from executor.domain.lifecycle import TRANSITIONS, Transition, Trigger
from executor.domain.outcome import Artifact
from executor.domain.step import Also, both
from executor.engine.bus import Bus
from executor.engine.lean_machine import LeanMachine
from executor.engine.notices import Notices
from executor.errors import Conflict
from executor.store.builds import Checkpoint, Saying, StepRun
from executor.store.repository import Builds

MAX_REPAIRS = 2


@dataclass(frozen=True, slots=True)
class Change:
    """What goes into one checkpoint beside the state: new field values, events and what was made."""

    updates: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[NewEvent, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    run: StepRun | None = None
    saying: Saying | None = None
    also: Also | None = None


class BuildModel:
    """One build as transitions sees it: a state and the predicates that guards name.

    `turnstile` lets one trigger through at a time: a person's amendment may come while the owner checkpoints.
    """

    __slots__ = ("build", "state", "turnstile")

    def __init__(self, build: Build) -> None:
        self.build = build
        self.turnstile = asyncio.Lock()
        self.state: str = build.state.value

    def has_next_step(self, _: EventData) -> bool:
        """Guard: step 8 has no next."""
        return not self.build.is_last_step

    def is_last_step(self, _: EventData) -> bool:
        """Guard: only step 8 finishes a build."""
        return self.build.is_last_step

    def has_repairs_left(self, _: EventData) -> bool:
        """Guard: the droplet goes back for repair at most twice by itself."""
        return self.build.repairs < MAX_REPAIRS

    def has_deployment(self, _: EventData) -> bool:
        """Guard: something may be running that has to be withdrawn first."""
        return self.build.has_deployment

    def withdraws_to_cancelled(self, _: EventData) -> bool:
        """Guard: the withdrawal was begun by a cancel."""
        return self.build.withdraw_to is State.CANCELLED

    def withdraws_to_rejected(self, _: EventData) -> bool:
        """Guard: the withdrawal was begun by a rejected gate."""
        return self.build.withdraw_to is State.REJECTED


class Lifecycle:
    """Fires triggers: checks the table, writes the checkpoint, tells the listeners."""

    def __init__(
        self,
        builds: Builds,
        bus: Bus,
        estimator: Estimator,
        clock: Callable[[], float],
        on_commit: Callable[[Build], None],
        *,
        notices: Notices | None = None,
    ) -> None:
        self._builds = builds
        self._bus = bus
        self._estimator = estimator
        self._clock = clock
        self._on_commit = on_commit
        self._notices = notices
        self._machine = LeanMachine(
            [state.value for state in State], State.QUEUED.value, map(_as_row, TRANSITIONS), self._checkpoint
        )

    async def fire(self, model: BuildModel, trigger: Trigger, change: Change) -> Build:
        """Take one transition; it is on disk when this returns.

        Raises Conflict when the table does not allow it from here, StaleView when the build has moved
        on meanwhile, Unavailable when the disk refuses; the state is then unchanged.
        """
        # The event is triggered by name: add_model would hang a bound method per trigger on every model.
        try:
            async with model.turnstile:
                moved = await self._machine.events[trigger.value].trigger(model, change=change)
        except MachineError:
            moved = False
        if not moved:
            raise Conflict(
                f"Build {model.build.id} is {model.build.state}; it cannot take {trigger.value!r} now.",
                hint=f"See `fpai status {model.build.id}`.",
                code="WRONG_STATE",
                details={"status": model.build.state.value},
            )
        return model.build

    def allows(self, build: Build, trigger: Trigger) -> bool:
        """True if the table has a row for this trigger from the build's state, guards aside."""
        return any(row.trigger is trigger and build.state in row.sources for row in TRANSITIONS)

    def events_for(self, build: Build, new: Iterable[NewEvent], first_seq: int) -> tuple[Event, ...]:
        """Number events of a build that is about to be written."""
        percent = self._estimator.percent(build, build.updated_at)
        return tuple(
            Event(
                build_id=build.id,
                seq=first_seq + index,
                event_type=event.event_type,
                step=event.step or build.step,
                attempt=event.attempt or build.attempt,
                progress_percent=percent,
                message=event.message,
                timestamp=build.updated_at,
                data=event.data,
            )
            for index, event in enumerate(new)
        )

    async def _checkpoint(self, data: EventData) -> None:
        model = cast("BuildModel", data.model)
        change: Change = data.kwargs["change"]
        before = model.build
        dest = data.transition.dest if data.transition else None
        after = replace(
            before,
            state=State(dest) if dest else before.state,
            version=before.version + 1,
            last_seq=before.last_seq + len(change.events),
            updated_at=self._clock(),
            **change.updates,
        )
        events = self.events_for(after, change.events, before.last_seq + 1)

        def committed() -> None:
            self._on_commit(after)
            self._bus.publish(events)

        told = self._notices.of(after, events) if self._notices else None
        also = both(change.also, told)
        await self._builds.checkpoint(
            Checkpoint(after, events, change.artifacts, change.run, change.saying, also), committed
        )
        model.build = after


def _as_row(row: Transition) -> dict[str, Any]:
    return {
        "trigger": row.trigger.value,
        "source": [source.value for source in row.sources],
        "dest": row.dest.value if row.dest else None,
        "conditions": row.guard,
    }
