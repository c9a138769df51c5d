"""The hidden acceptance tests, carried out over HTTP from outside the walls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from executor.checks.acceptance_scenario import carried_out
from executor.checks.contract_service import Subject, served
from executor.domain.acceptance import AcceptanceRun, AcceptanceSet, Miss, Scenario, ScenarioResult
from executor.domain.droplet import DropletIdentity
from executor.errors import ReleaseAtFault
from executor.sandbox.base import Limits, Sandbox
from executor.sandbox.places import Places
from executor.sandbox.venv import VenvCache

_MOST_BREAKDOWNS = 3
Told = Callable[[str], None]


class AcceptanceRunner:
    """Starts the service in its walls and asks it what the scenarios say."""

    def __init__(self, *, sandbox: Sandbox, venvs: VenvCache, places: Places, limits: Limits) -> None:
        self._sandbox = sandbox
        self._venvs = venvs
        self._places = places
        self._limits = limits

    async def run(
        self, tests: AcceptanceSet, source: Path, identity: DropletIdentity, told: Told
    ) -> AcceptanceRun:
        """Carry out every scenario against the checkout at `source`; `told` hears how far it is.

        A service that does not start is the run's `problem`. Raises Transient or Permanent for this
        machine's trouble.
        """
        try:
            venv = await self._venvs.get(source / "requirements.txt")
        except ReleaseAtFault as error:
            return AcceptanceRun(problem=f"{error.message} {error.log[-800:]}")
        subject = Subject(source, venv, identity, self._sandbox, self._places, self._limits)
        return await _Run(subject, tests.scenarios, told).whole()


class _Run:
    """One service for all scenarios but the `fresh` ones; a new one after each breakdown."""

    def __init__(self, subject: Subject, scenarios: tuple[Scenario, ...], told: Told) -> None:
        self._subject = subject
        self._scenarios = scenarios
        self._told = told
        self._results: list[ScenarioResult] = []
        self._breakdowns = 0

    async def whole(self) -> AcceptanceRun:
        for together in _services(self._scenarios):
            left = list(together)
            while left:
                if self._breakdowns >= _MOST_BREAKDOWNS:
                    self._results += [_not_asked(scenario) for scenario in left]
                    break
                if problem := await self._served(left):
                    return AcceptanceRun(problem=problem)
        return AcceptanceRun(tuple(self._results))

    async def _served(self, left: list[Scenario]) -> str:
        """Take scenarios off the list until it is empty or the service breaks down; tell why none starts."""
        async with served(self._subject, {}) as running:
            if running.probe is None:
                return running.problem
            while left:
                number = len(self._results) + 1
                self._told(f"hidden acceptance test {number} of {len(self._scenarios)}")
                result = await carried_out(left.pop(0), running.probe, running.service.output)
                self._results.append(result)
                if running.service.exited or (result.miss and not result.miss.answered):
                    self._breakdowns += 1
                    break
        return ""


def _services(scenarios: tuple[Scenario, ...]) -> Iterator[tuple[Scenario, ...]]:
    """The scenarios that share a service, then each that needs an empty one."""
    yield tuple(s for s in scenarios if not s.fresh)
    yield from ((s,) for s in scenarios if s.fresh)


def _not_asked(scenario: Scenario) -> ScenarioResult:
    first = scenario.calls[0]
    why = f"nothing: the service had broken down {_MOST_BREAKDOWNS} times before, so it was asked no more"
    return ScenarioResult(scenario, Miss(f"{first.method} {first.path}", why, ("not asked",), answered=False))
