"""A real store, bus and engine around scripted steps: no network, no sandbox."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from executor.domain.build import FINISHED, Build, State
from executor.domain.droplet import DropletIdentity
from executor.domain.estimate import DEFAULT_SECONDS, Estimator
from executor.domain.outcome import Artifact, Done, Outcome
from executor.domain.retry import RetryPolicy
from executor.domain.step import StepContext
from executor.engine.bus import Bus
from executor.engine.commands import Commands
from executor.engine.decisions import Decisions
from executor.engine.identity import Known
from executor.engine.intake import Defaults, Intake
from executor.engine.live import Live
from executor.engine.machine import Lifecycle
from executor.engine.notices import Notices
from executor.engine.requests import SubmitRequest
from executor.engine.runner import Limits, Runner
from executor.engine.scheduler import Scheduler
from executor.store.store import Store
from tests.patience import PATIENCE

Script = Callable[[StepContext], Awaitable[Outcome]]


class ScriptedStep:
    """A step whose answer a test decides; without a script it is done at once."""

    def __init__(self, number: int, script: Script | None = None) -> None:
        self.number = number
        self.script = script
        self.calls: list[str] = []

    async def run(self, context: StepContext) -> Outcome:
        self.calls.append(context.build.id)
        if self.script is not None:
            return await self.script(context)
        artifacts = (Artifact("spec", "# SPEC"),) if self.number == 2 else ()
        facts = {6: {"deploying": True, "release": "r1"}}.get(self.number, {})
        return Done(f"Step {self.number} is done.", facts, artifacts)


class World:
    """The running engine and what tests ask of it."""

    def __init__(self, store: Store, *, has_model: bool, known: list[Known], max_concurrent: int, **limits):
        self.store = store
        self.bus = Bus()
        self.listeners: list[Callable[[Build], None]] = []
        estimator = Estimator(DEFAULT_SECONDS["scaffold"])
        ahead = limits.pop("ahead", 0.0)
        self.live = Live(estimator, limits.pop("clock", None) or (lambda: time.time() + ahead))
        self.steps = {n: ScriptedStep(n) for n in range(1, 9)}
        self.withdrawal = ScriptedStep(6)
        self.lifecycle = Lifecycle(
            store.builds,
            self.bus,
            estimator,
            self.live.now,
            self._noted,
            notices=Notices("http://localhost:8400"),
        )
        runner = Runner(
            lifecycle=self.lifecycle,
            store=store,
            live=self.live,
            steps=self.steps,
            withdrawal=self.withdrawal,
            limits=Limits(
                deadline=limits.get("deadline", 60.0),
                retry=RetryPolicy(first=0.01, longest=0.02, patience=limits.get("patience", 60.0)),
            ),
        )
        self.scheduler = Scheduler(store, runner, self.lifecycle, self.live.now, max_concurrent)
        self.defaults = Defaults(
            own_id=12, approval_mode="auto", target="process", max_queued=50, has_model=has_model, port=8000,
            unpriced_model=limits.get("unpriced_model", ""), missing_for={"slack": "a webhook", "email": ""},
        )  # fmt: skip
        intake = Intake(
            store=store, bus=self.bus, live=self.live, lifecycle=self.lifecycle, scheduler=self.scheduler,
            defaults=self.defaults, registered=lambda: known, preview=_preview, noted=self._noted,
        )  # fmt: skip
        decisions = Decisions(store, self.live, self.lifecycle, has_model=has_model, submit=intake.submit)
        self.commands = Commands(
            store=store, live=self.live, lifecycle=self.lifecycle, scheduler=self.scheduler,
            intake=intake, decisions=decisions,
        )  # fmt: skip

    def _noted(self, build: Build) -> None:
        self.scheduler.note(build)
        for listener in self.listeners:
            listener(build)

    async def submit(self, intent: str = "Build Coordinator Droplet", **more: object) -> Build:
        return (await self.commands.submit(SubmitRequest(intent=intent, **more))).build

    async def until(self, build_id: str, *states: State) -> Build:
        wanted = states or tuple(FINISHED)
        with self.bus.subscribe(build_id) as heard:
            async with asyncio.timeout(PATIENCE):
                while (build := await self.store.builds.get(build_id)).state not in wanted:
                    await heard.take(0.5)
        return build

    async def event_types(self, build_id: str) -> list[str]:
        return [event.event_type for event in await self.store.builds.events(build_id)]


def _preview(intent: str, identity: DropletIdentity) -> dict[str, object]:
    return {"spec": f"# {identity.name}\n{intent}", "spec_score": 100.0}


@asynccontextmanager
async def running_world(directory: Path, **options: object) -> AsyncIterator[World]:
    """Open the directory's store, run a scheduler over it, drain at the end as the daemon does."""
    store = await Store.open(directory)
    settings = {"has_model": False, "known": [], "max_concurrent": 4, **options}
    world = World(store, **settings)
    await world.scheduler.load()
    loop = asyncio.create_task(world.scheduler.run())
    try:
        yield world
    finally:
        await world.scheduler.stop()
        with suppress(asyncio.CancelledError):
            await loop
        await store.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running_world(tmp_path) as running:
        yield running
