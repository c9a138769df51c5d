"""What a running step is lent: its build, its log, its effects, and a way to say what it is doing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executor.domain.build import Build
from executor.domain.events import NewEvent
from executor.domain.lifecycle import Trigger
from executor.domain.outcome import Artifact
from executor.domain.step import Act, Also, Probe, Said
from executor.engine.live import Live, LiveView
from executor.engine.machine import BuildModel, Change, Lifecycle
from executor.store.store import Store


class Context:
    """The engine's implementation of domain.step.StepContext."""

    def __init__(
        self, model: BuildModel, lifecycle: Lifecycle, store: Store, live: Live, view: LiveView
    ) -> None:
        self._model = model
        self._lifecycle = lifecycle
        self._store = store
        self._live = live
        self._view = view

    @property
    def build(self) -> Build:
        """The build as of the last checkpoint."""
        return self._model.build

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._live.now()

    def progress(self, action: str, fraction: float | None = None, **details: Any) -> None:
        """Say what is being done right now."""
        self._view.details.update(details, action=action)
        if fraction is not None:
            self._view.fraction = fraction

    def log(self, text: str, level: str = "info") -> None:
        """Add lines to the build's log."""
        build = self.build
        self._store.log_lines.add(
            build.id, step=build.step, attempt=build.attempt, level=level, text=text, now=self.now()
        )

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
        """Write an event and facts in a checkpoint of their own."""
        updates: dict[str, Any] = {"facts": {**self.build.facts, **(facts or {})}}
        if progressed:
            updates |= {"retries": 0, "retrying_since": None}
        event = NewEvent(event_type, message, dict((facts if data is None else data) or {}))
        change = Change(updates, (event,), artifacts, also=also)
        await self._lifecycle.fire(self._model, Trigger.AMEND, change)

    async def effect(self, key: str, *, probe: Probe, act: Act) -> Mapping[str, Any]:
        """Do a side effect once, by intent, probe, act and done (design.md, rule 5)."""
        full_key = f"{self.build.id}/{key}"
        known = await self._store.effects.begin(full_key, self.build.id, self.build.step, self.now())
        if known.result is not None:
            return known.result
        found = await probe()
        result = found if found is not None else await act()
        await self._store.effects.done(full_key, result, self.now())
        return result

    async def artifact(self, kind: str, version: int | None = None) -> str | None:
        """Read back an artifact of this build."""
        found = await self._store.builds.artifact(self.build.id, kind, version)
        return str(found["body"]) if found else None

    async def feedback(self) -> tuple[str, ...]:
        """What people and repairs have said about this build."""
        return tuple(s.feedback for s in await self._store.builds.sayings(self.build.id) if s.feedback)

    async def sayings(self) -> tuple[Said, ...]:
        """Every decision, answer and repair of this build."""
        rows = await self._store.builds.sayings(self.build.id)
        return tuple(Said(row.checkpoint, row.decision, row.feedback) for row in rows)
