"""An engine whose step 5 is the real one with hidden tests; what is built answers as each round says.

The service under test is a small application on a unix socket. Walls and rules have tests of their own.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from executor.adapters.git import Git
from executor.agent.acceptance_author import AcceptanceAuthor
from executor.agent.access import ModelAccess
from executor.agent.budget import SpendingLimits
from executor.checks.acceptance import Told
from executor.checks.acceptance_scenario import carried_out
from executor.checks.probe import Patience, probing
from executor.domain.acceptance import AcceptanceRun, AcceptanceSet
from executor.domain.build import Build, State
from executor.domain.conversation import ModelService
from executor.domain.findings import Finding, Result, VerifierReport
from executor.domain.outcome import Artifact, Done, Outcome
from executor.domain.prices import PricePerMillion
from executor.domain.step import StepContext
from executor.sandbox.places import Places
from executor.steps.hidden_tests import HiddenTests
from executor.steps.verify import VerifyStep
from tests.engine.conftest import World, running_world
from tests.fakes.service import Answer, ScriptedService

SPEC = "# Prices\n\n- **R1** GET /price answers 12 cents.\n- **R2** GET /nothing is 404.\n"
PRICES = {"claude-sonnet-5-5": PricePerMillion(2.0, 10.0)}


@dataclass
class OverSocket:
    """Carries scenarios out against an application that answers GET /price as the checkout says.

    `ran` names the scenarios of every run. A checkout that says "broken" does not start.
    """

    ran: list[list[str]] = field(default_factory=list)

    async def run(self, tests: AcceptanceSet, source: Path, _: object, told: Told) -> AcceptanceRun:
        self.ran.append([s.key for s in tests.scenarios])
        answer = (source / "answer.json").read_text()
        if answer == "broken":
            return AcceptanceRun(problem="it ended while starting")
        async with _served(json.loads(answer)) as socket, probing(socket, Patience()) as probe:
            results = [await carried_out(s, probe, lambda: "") for s in tests.scenarios]
        told("all asked")
        return AcceptanceRun(tuple(results))


@asynccontextmanager
async def _served(answer: Any) -> AsyncIterator[str]:
    async def price(_: web.Request) -> web.Response:
        return web.json_response({"data": answer})

    app = web.Application()
    app.router.add_get("/price", price)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    with tempfile.TemporaryDirectory() as directory:  # a socket's path may not be long
        await web.UnixSite(runner, f"{directory}/s").start()
        yield f"{directory}/s"
        await runner.cleanup()


@dataclass
class Rules:
    """A Verifier whose rule T1 fails in the rounds that are named."""

    failing: Sequence[int] = ()
    judged: int = 0

    async def verify(self, *, source: Path, commit: str, **_: object) -> VerifierReport:
        self.judged += 1
        result = Result.FAIL if self.judged in self.failing else Result.PASS
        return VerifierReport(commit, (Finding("T1", "The tests pass", result, "seen"),), 3, 0, 0.1)


class Twice:
    """A step that is killed before its outcome is written, and runs again: only the second outcome counts."""

    number = 5

    def __init__(self, step: VerifyStep, between: Callable[[World], Any]) -> None:
        self.step, self.between = step, between
        self.world: World | None = None

    async def run(self, context: StepContext) -> Outcome:
        await self.step.run(context)
        await self.between(self.world)
        return await self.step.run(context)


@dataclass(frozen=True)
class Exam:
    """What tests ask of it. `fed_back` is what the builder had heard when each round began."""

    world: World
    model: ScriptedService
    runner: OverSocket
    rules: Rules
    fed_back: list[tuple[str, ...]]

    async def submit(self, **more: Any) -> Build:
        return await self.world.submit("Build a Price Droplet", droplet_name="prices", **more)

    async def ended(self, state: State = State.COMPLETE, **more: Any) -> Build:
        build = await self.world.until((await self.submit(**more)).id, state, State.FAILED, State.COMPLETE)
        assert build.state is state, build.error
        return build

    async def artifact(self, build: Build, kind: str, version: int | None = None) -> Any:
        found = await self.world.store.builds.artifact(build.id, kind, version)
        return json.loads(found["body"]) if found else None

    async def findings(self, build: Build, version: int | None = None) -> dict[str, Mapping[str, str]]:
        return {f["rule"]: f for f in (await self.artifact(build, "tests", version))["findings"]}

    async def everything_people_see(self, build: Build) -> str:
        """The report of the tests and the build's log."""
        lines = await self.world.store.log_lines.page(build.id)
        return json.dumps([await self.artifact(build, "tests"), [str(line["text"]) for line in lines]])


@asynccontextmanager
async def exam(
    directory: Path,
    *answers: Answer,
    rounds: Sequence[Any] = ({"cents": 12},),
    specs: Sequence[str] = (SPEC,),
    failing: Sequence[int] = (),
    between: Callable[[World], Any] | None = None,
    service: ModelService | None = None,
    no_model: bool = False,
) -> AsyncIterator[Exam]:
    """`rounds` are what GET /price answers in each round, `specs` the SPECs of it; the last goes on."""
    git, repositories, fed_back = Git(), directory / "repositories", list[tuple[str, ...]]()
    repository = repositories / "prices.git"

    async def specified(_: StepContext) -> Outcome:
        return Done("Written.", {"version": "0.1.0", "port": 8013}, (Artifact("spec", specs[0]),))

    async def built(context: StepContext) -> Outcome:
        number = len(fed_back)
        fed_back.append(await context.feedback())
        work = directory / f"work{number}"
        work.mkdir()
        answer = rounds[min(number, len(rounds) - 1)]
        text = answer if isinstance(answer, str) else json.dumps(answer)
        (work / "answer.json").write_text(text)
        await git.init_bare(repository)
        commit = await git.commit(repository, work, "built", when=datetime(2026, 1, 1, number, tzinfo=UTC))
        newer = specs[number : number + 1] if number else ()
        return Done("Built.", {"commit": commit}, tuple(Artifact("spec", spec) for spec in newer))

    repositories.mkdir(parents=True)
    async with running_world(directory, has_model=True) as world:
        model, runner, rules = ScriptedService(*answers), OverSocket(), Rules(failing)
        access = ModelAccess(
            world.store.turns, service or model, PRICES, SpendingLimits(max_turns=50), "claude-sonnet-5-5"
        )
        hidden = None if no_model else HiddenTests(AcceptanceAuthor(access), runner)
        places = Places.of(directory, base=directory / "places")
        step: Any = VerifyStep(git, repositories, places, rules, hidden)
        if between:
            step = Twice(step, between)
            step.world = world
        world.steps[2].script, world.steps[4].script = specified, built
        world.steps[5] = step
        yield Exam(world, model, runner, rules, fed_back)
