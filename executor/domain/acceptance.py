"""Hidden acceptance tests: what is asked of a running service, and what the answer has to hold.

They are data that the executor carries out itself, never code. acceptance_reader.py makes them from JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Rule = Literal[
    "equals", "differs", "type", "contains", "lacks", "matches", "length", "min", "max", "present", "absent"
]
Part = Literal["json", "header", "text"]
AmendmentKind = Literal["withdrawn", "corrected"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that an answer has to hold; `value` may name saved values as `${name}`.

    `at` is a JSON pointer (`*` for every element of a list), a header's name, or nothing for `text`.
    """

    rule: Rule
    at: str = ""
    value: Any = None
    part: Part = "json"


@dataclass(frozen=True, slots=True)
class Save:
    """A scalar of an answer that later calls of the same scenario use as `${name}`."""

    name: str
    at: str
    part: Part = "json"


@dataclass(frozen=True, slots=True)
class Call:
    """One request and what its answer has to hold; `wait` seconds pass before it is sent.

    `body` is JSON text with names filled in, `raw` is sent as it is; at most one of them is given.
    """

    method: str
    path: str
    status: tuple[int, ...]
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    raw: str = ""
    wait: float = 0.0
    save: tuple[Save, ...] = ()
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Requirement:
    """One sentence of the SPEC that can be observed over HTTP; `id` is its number there or the author's."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """Calls in order that show one requirement. `key` is for good; a `fresh` one needs an empty service.

    `reviewed` tells that its author has read it against the SPEC again after it failed.
    """

    key: str
    requirement: str
    title: str
    calls: tuple[Call, ...]
    fresh: bool = False
    reviewed: bool = False


@dataclass(frozen=True, slots=True)
class Amendment:
    """A scenario that its author took back or corrected after it had failed, and why."""

    key: str
    requirement: str
    kind: AmendmentKind
    reason: str


@dataclass(frozen=True, slots=True)
class AcceptanceSet:
    """All hidden tests of one SPEC. `heard` counts the messages of the author's conversation in it.

    `unusable` tells which scenarios the author wrote that cannot be carried out, and why.
    """

    spec_sha256: str
    requirements: tuple[Requirement, ...]
    scenarios: tuple[Scenario, ...]
    heard: int = 0
    whole: bool = True
    amendments: tuple[Amendment, ...] = ()
    unusable: tuple[str, ...] = ()

    def as_json(self) -> str:
        """The text that `acceptance_reader.read_set` reads."""
        return json.dumps(asdict(self))

    def reviewed(
        self, amendments: tuple[Amendment, ...], now: Mapping[str, Scenario | None]
    ) -> AcceptanceSet:
        """The next version: each scenario of `now` replaced, or left out where None stands."""
        kept = [now.get(s.key, s) for s in self.scenarios]
        scenarios = tuple(replace(s, reviewed=s.reviewed or s.key in now) for s in kept if s is not None)
        return replace(self, scenarios=scenarios, amendments=(*self.amendments, *amendments))


@dataclass(frozen=True, slots=True)
class Miss:
    """Where a scenario failed: what was sent, what came, and for its author which checks it did not hold.

    `before` are the calls that led there, each with its answer's status. Not `answered`: no answer came.
    """

    sent: str
    observed: str
    unmet: tuple[str, ...]
    before: tuple[str, ...] = ()
    answered: bool = True


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """How one scenario came out; without a `miss` it holds."""

    scenario: Scenario
    miss: Miss | None = None


@dataclass(frozen=True, slots=True)
class AcceptanceRun:
    """What all scenarios showed; `problem` is set, and nothing was asked, where the service did not start."""

    results: tuple[ScenarioResult, ...] = ()
    problem: str = ""

    @property
    def missed(self) -> tuple[ScenarioResult, ...]:
        """The scenarios that failed."""
        return tuple(result for result in self.results if result.miss)

    def without(self, keys: frozenset[str]) -> AcceptanceRun:
        """The run with these scenarios' results left out."""
        return replace(self, results=tuple(r for r in self.results if r.scenario.key not in keys))
