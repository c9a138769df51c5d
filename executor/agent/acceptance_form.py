"""The form of what the author of the hidden tests answers.

Values of any kind are JSON text: the form that replies are held to knows no "anything". Everything is
required, so that nothing is left to what a missing member might have meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from executor.domain.acceptance import Part, Rule
from executor.domain.acceptance_reader import read_json


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class NameValue(_Form):
    """A query parameter or a header."""

    name: str
    value: str


class SaveForm(_Form):
    """A scalar of the answer that later calls use."""

    name: str
    part: Part
    at: str


class CheckForm(_Form):
    """One thing that the answer has to hold."""

    part: Part
    at: str
    rule: Rule
    value: str = Field(description="JSON text; empty for present and absent")

    def plain(self) -> dict[str, Any]:
        """The check with its value read. Raises Invalid when that is not JSON."""
        if self.rule in {"present", "absent"}:
            return {**self.model_dump(), "value": None}
        if self.rule in {"type", "matches"} and not self.value.startswith('"'):
            return self.model_dump()  # words and patterns are often sent without quotes
        return {**self.model_dump(), "value": read_json(self.value, f"the value {self.value[:60]!r}")}


class CallForm(_Form):
    """One request and its expected answer."""

    wait: float
    method: str
    path: str
    query: list[NameValue]
    headers: list[NameValue]
    body: str = Field(description="JSON text, empty for no body")
    raw: str = Field(description="a body sent as it is, empty for none")
    status: list[int]
    save: list[SaveForm]
    checks: list[CheckForm]

    def plain(self) -> dict[str, Any]:
        """The call as acceptance_reader takes it."""
        return {**self.model_dump(), "checks": [check.plain() for check in self.checks]}


class ScenarioForm(_Form):
    """Calls in order that show one requirement."""

    requirement: str = Field(description="the id of a listed requirement")
    title: str
    fresh: bool
    calls: list[CallForm]

    def plain(self) -> Mapping[str, Any]:
        """The scenario as acceptance_reader takes it."""
        return {**self.model_dump(), "calls": [call.plain() for call in self.calls]}


class RequirementForm(_Form):
    """One requirement of the SPEC."""

    id: str
    text: str


class TestsForm(_Form):
    """All tests, or those that were missing."""

    __test__ = False  # no test class of pytest's

    requirements: list[RequirementForm]
    scenarios: list[ScenarioForm]


class DecisionForm(_Form):
    """What becomes of one scenario that failed; `corrected` holds one for `correct`, else none."""

    key: str
    decision: Literal["keep", "withdraw", "correct"]
    reason: str
    quote: str = Field(description="the words of the SPEC that decide, verbatim; empty if it says nothing")
    corrected: list[ScenarioForm]


class ReviewForm(_Form):
    """A decision on every scenario that was asked about."""

    decisions: list[DecisionForm]
