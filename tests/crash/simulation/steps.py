"""Eight steps and a withdrawal shaped like the real ones, with a fake world behind them.

How a step ends is drawn from its build, number and attempt: running it again after a kill ends the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from executor.domain.build import (
    BUILD_STEP,
    DEPLOY_STEP,
    REGISTER_STEP,
    REPORT_STEP,
    SPEC_STEP,
    VERIFY_STEP,
    Build,
)
from executor.domain.events import NewEvent
from executor.domain.outcome import Artifact, Ask, Done, Kept, Outcome, Repair
from executor.domain.step import StepContext
from executor.steps.shared import refuse_superseded
from executor.store.droplets import Droplets, ReleaseRow
from tests.crash.simulation.services import Host, Model, Registry, Things
from tests.crash.simulation.world import World


class Outside:
    """The world's services; they outlive every process."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.things = Things(world)
        self.model = Model(world)
        self.host = Host(world)
        self.registry = Registry(world)


@dataclass
class Owners:
    """Which builds have a step running in this process: one owner each, one build of a droplet."""

    world: World
    running: dict[str, Build] = field(default_factory=dict)

    @contextmanager
    def owns(self, build: Build) -> Iterator[None]:
        """While the step runs."""
        if build.id in self.running:
            self.world.broken(f"two steps of {build.id} ran at one time")
        if any(other.droplet_id == build.droplet_id for other in self.running.values()):
            self.world.broken(f"two builds of droplet {build.droplet_id} ran at one time")
        if len(self.running) >= self.world.plan.max_concurrent:
            self.world.broken("more builds ran at one time than there are slots")
        self.running[build.id] = build
        try:
            yield
        finally:
            self.running.pop(build.id, None)


class SimulatedStep:
    """One of the eight."""

    def __init__(self, number: int, outside: Outside, droplets: Droplets, owners: Owners) -> None:
        self.number = number
        self._outside = outside
        self._droplets = droplets
        self._owners = owners

    async def run(self, context: StepContext) -> Outcome:
        with self._owners.owns(context.build):
            fate = self._fate(context.build)
            await self._work(context, fate)
            match self.number:
                case 3 if fate.random() < 0.1:
                    return _question(context.build)
                case n if n == BUILD_STEP:
                    return await self._build(context, fate)
                case n if n == VERIFY_STEP and fate.random() < 0.25:
                    return Repair("The tests fail.", "assert 1 == 2", BUILD_STEP)
                case n if n == DEPLOY_STEP:
                    return await self._deploy(context, fate)
                case n if n == REGISTER_STEP:
                    return await self._register(context)
                case n if n == REPORT_STEP:
                    await refuse_superseded(self._droplets, context.build)
            return self._done()

    def _fate(self, build: Build) -> random.Random:
        return random.Random(f"{self._outside.world.seed} {build.id} {self.number} {build.attempt}")

    async def _work(self, context: StepContext, fate: random.Random) -> None:
        """Make a few things, and say so in checkpoints of their own."""
        for number in range(fate.choice((0, 1, 1, 2))):
            key = f"thing/{self.number}/{context.build.attempt}/{number}"
            await once(context, self._outside, key)
            context.log(f"made {key}")
            if fate.random() < 0.4:
                await context.record("progress_made", f"{key} is there.", {f"made-{self.number}": number})
        if self.number == SPEC_STEP:
            await self._asked(context, "spec")

    async def _asked(self, context: StepContext, what: str) -> None:
        key = f"turn/{what}/{context.build.attempt}"
        full_key = f"{context.build.id}/{key}"

        async def act() -> Mapping[str, Any]:
            return await self._outside.model.ask(full_key)

        learn(self._outside.world, full_key, await context.effect(key, probe=_nothing, act=act))

    async def _build(self, context: StepContext, fate: random.Random) -> Outcome:
        build = context.build
        for turn in range(fate.choice((0, 1, 2))):
            await self._asked(context, f"build-{turn}")
        if build.budget_usd is not None and build.budget_usd < fate.choice((0.0, 5.0)):
            return Ask("The budget is spent.", _question(build).questions, needs="budget")
        return Done("Built.", {"commit": f"c{build.attempt}"}, (Artifact("diff", "+"),))

    async def _deploy(self, context: StepContext, fate: random.Random) -> Outcome:
        build, host = context.build, self._outside.host
        release = f"{build.id}-{build.facts['commit']}"
        if (abandoned := build.facts.get("deploying")) != release:
            rows = await self._droplets.releases(build.droplet_id)
            if abandoned and abandoned not in {row.id for row in rows}:
                await host.stop(abandoned)
            await context.record("release_starting", f"{release} is being started.", {"deploying": release})
        noted = await context.effect(
            f"start/{release}/{build.attempt}",
            probe=lambda: host.find(release),
            act=lambda: host.start(release),
        )
        if await host.find(release) is None:
            noted = await host.start(release)
        if fate.random() < 0.2:
            live = await self._droplets.live(build.droplet_id)
            facts = {} if live is not None and live.id == release else {"deploying": None}
            await host.stop(release)
            await context.record("release_refused", f"{release} does not answer.", facts)
            return Repair("The release does not answer.", "Traceback", BUILD_STEP)
        row = _row(build, release, str(noted["url"]), context.now())
        await self._droplets.switch(build.droplet_name, row)
        for other in await self._droplets.releases(build.droplet_id):
            if other.id != release and await host.find(other.id) is not None:
                await host.stop(other.id)
        return Done(f"{release} is live.", {"release": release, "deployment_url": noted["url"]})

    async def _register(self, context: StepContext) -> Outcome:
        build, registry = context.build, self._outside.registry
        await refuse_superseded(self._droplets, build)
        url = str(build.facts["deployment_url"])

        async def act() -> Mapping[str, Any]:
            await registry.register(build.droplet_id, url)
            return {"id": build.droplet_id}

        await context.effect(f"register/{build.attempt}/{url}", probe=_nothing, act=act)
        return Done("Registered.", {"registered": True})

    def _done(self) -> Done:
        artifacts = (Artifact("spec", "# SPEC"),) if self.number == SPEC_STEP else ()
        events = (NewEvent("report_ready", "The report is kept."),) if self.number == REPORT_STEP else ()
        return Done(f"Step {self.number} is done.", artifacts=artifacts, events=events)


class SimulatedWithdrawal:
    """Takes a release back as the real one does: the one before serves again, or none."""

    def __init__(self, outside: Outside, droplets: Droplets, owners: Owners) -> None:
        self._outside = outside
        self._droplets = droplets
        self._owners = owners

    async def run(self, context: StepContext) -> Outcome:
        build, outside = context.build, self._outside
        with self._owners.owns(build):
            release = str(build.facts["deploying"])
            back = await self._serving(context)
            if back is None and build.facts.get("roll_back_to"):
                return Kept(f"{release} goes on serving.")
            # Whether step 7 was known to have registered it or not: in the daemon Registrations sees to what
            # a cancel in the middle of step 7 left in the registry.
            if back is None:
                await outside.registry.deregister(build.droplet_id)
            else:
                await outside.registry.register(build.droplet_id, back.url)
            await self._droplets.withdraw(build.droplet_id, build.id, context.now())
            started = [
                row.id for row in await self._droplets.releases(build.droplet_id) if row.build_id == build.id
            ]
            for one in dict.fromkeys((release, *started)):
                await outside.host.stop(one)
            return Done("Withdrawn.", {"deployment_url": back.url if back else None})

    async def _serving(self, context: StepContext) -> ReleaseRow | None:
        build, host = context.build, self._outside.host
        live = await self._droplets.live(build.droplet_id)
        if live is not None and live.build_id != build.id:
            return live
        rows = await self._droplets.releases(build.droplet_id)
        if all(row.build_id != build.id for row in rows):
            return None
        wanted = build.facts.get("roll_back_to")
        for row in rows:
            if row.build_id == build.id or row.state == "withdrawn" or wanted not in {None, row.id}:
                continue
            if await host.find(row.id) is None:
                await host.start(row.id)
            await self._droplets.switch(build.droplet_name, row)
            return row
        return None


async def once(context: StepContext, outside: Outside, key: str) -> None:
    """One keyed effect of the build, and what the engine answers of it."""
    full_key = f"{context.build.id}/{key}"
    result = await context.effect(
        key, probe=lambda: outside.things.find(full_key), act=lambda: outside.things.make(full_key)
    )
    if result != {"receipt": outside.world.made.get(full_key)}:
        outside.world.broken(f"{full_key} was answered {result}, which is not what was made")
    learn(outside.world, full_key, result)


def learn(world: World, key: str, result: Mapping[str, Any]) -> None:
    """The effect's result is on disk now: from here on it is always the same."""
    if world.known.setdefault(key, result) != result:
        world.broken(f"the result of {key} changed from {world.known[key]} to {result}")


async def _nothing() -> None:
    return None


def _question(build: Build) -> Ask:
    question = {"id": "go_on", "question": "Go on?", "options": ["retry", "stop"], "default": "retry"}
    return Ask(f"Only a person knows about {build.droplet_name}.", (question,))


def _row(build: Build, release: str, url: str, now: float) -> ReleaseRow:
    commit = str(build.facts["commit"])
    return ReleaseRow(
        release, build.droplet_id, build.id, "0.1.0", commit, "process", url, {}, "live", now, now
    )
