"""An engine whose step 2 is the real one, written by a scripted model; the steps around it do nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executor.adapters.fp_tools import FpTools
from executor.adapters.git import Git
from executor.agent.access import ModelAccess
from executor.agent.budget import SpendingLimits
from executor.agent.spec_author import SpecAuthor
from executor.domain.build import Build, State
from executor.domain.conversation import ModelService
from executor.domain.outcome import Done, Outcome
from executor.domain.prices import PricePerMillion
from executor.domain.step import StepContext
from executor.sandbox.places import Places
from executor.steps.spec import SpecStep
from tests.engine.conftest import World, running_world
from tests.fakes.service import Answer, ScriptedService

INTENT = "Build an Orders Droplet that prices the orders of a shop"
PRICES = {"claude-sonnet-5-5": PricePerMillion(2.0, 10.0)}


class Twice:
    """A step that is killed before its outcome is written, and runs again: only the second outcome counts."""

    number = 2

    def __init__(self, step: SpecStep, between: Callable[[], object]) -> None:
        self._step = step
        self._between = between

    async def run(self, context: StepContext) -> Outcome:
        await self._step.run(context)
        self._between()
        return await self._step.run(context)


@dataclass(frozen=True)
class Desk:
    """What tests ask of it."""

    world: World
    model: ScriptedService
    step: SpecStep

    async def submit(self, intent: str = INTENT, **more: Any) -> Build:
        return await self.world.submit(intent, droplet_name="orders", **more)

    async def finished(self, **more: Any) -> Build:
        build = await self.world.until((await self.submit(**more)).id)
        assert build.state is State.COMPLETE, build.error
        return build

    async def failed(self, **more: Any) -> Build:
        build = await self.world.until((await self.submit(**more)).id)
        assert build.state is State.FAILED, build.state
        return build

    async def spec(self, build: Build, version: int | None = None) -> str:
        found = await self.world.store.builds.artifact(build.id, "spec", version)
        assert found is not None
        return str(found["body"])

    async def logged(self, build: Build) -> str:
        lines = await self.world.store.log_lines.page(build.id)
        return "\n".join(str(line["text"]) for line in lines)


@asynccontextmanager
async def desk(
    directory: Path,
    *answers: Answer,
    min_score: float = 80.0,
    fp_tools: Path | None = None,
    facts: Mapping[str, Any] | None = None,
    between: Callable[[], object] | None = None,
    by_rule: bool = False,
    service: ModelService | None = None,
    **options: Any,
) -> AsyncIterator[Desk]:
    """`facts` join those of step 1; `service` takes the scripted model's place.

    With `between` step 2 runs twice, and that is called in between.
    """
    directory.mkdir(exist_ok=True)
    known = {"version": "0.1.0", "port": 8013, **(facts or {})}

    async def first(context: StepContext) -> Outcome:
        return Done("Known.", known)

    async with running_world(directory, has_model=True, **options) as world:
        model = ScriptedService(*answers)
        limits = SpendingLimits(max_turns=50)
        access = ModelAccess(world.store.turns, service or model, PRICES, limits, "claude-sonnet-5-5")
        step = SpecStep(
            Git(),
            directory / "repositories",
            Places.of(directory, base=directory / "places"),
            FpTools(fp_tools) if fp_tools else None,
            min_score,
            None if by_rule else SpecAuthor(access),
        )
        world.steps[1].script = first
        world.steps[2] = Twice(step, between) if between else step
        yield Desk(world, model, step)
