"""What callers may send: one model a body, unknown fields refused."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from executor.domain.build import FIRST_STEP, LAST_STEP
from executor.domain.gates import Decision
from executor.domain.naming import LONGEST_INTENT, check_intent, check_name
from executor.errors import Invalid

# Names that every daemon knows; what is not configured is answered with a warning (interfaces.md).
_MOST_CHANNELS = 10
_LONGEST_FEEDBACK = 10_000
_HIGHEST_ID = 10**9
_HIGHEST_BUDGET = 100_000.0


def _checked(check: Callable[[str], str]) -> AfterValidator:
    def validate(text: str) -> str:
        try:
            return check(text)
        except Invalid as error:
            raise ValueError(str(error)) from error

    return AfterValidator(validate)


def _plain(text: str) -> str:
    if any(unicodedata.category(c) == "Cc" and c not in "\n\r\t" for c in text):
        raise ValueError("control characters are not allowed")
    return text


Text = Annotated[str, Field(strict=True, max_length=_LONGEST_FEEDBACK), AfterValidator(_plain)]
Name = Annotated[str, Field(strict=True, min_length=1, max_length=200), AfterValidator(_plain)]
Dollars = Annotated[float, Field(strict=True, gt=0, le=_HIGHEST_BUDGET, allow_inf_nan=False)]


class _Body(BaseModel):
    # defer_build: what a start would spend on models (0.1 s), their first use spends.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class SubmitBody(_Body):
    """POST /executor/build-droplet: one intent and how to build it."""

    architect_intent: Annotated[str, Field(strict=True), _checked(check_intent)] = Field(
        description=f"What to build, in one sentence or more; at most {LONGEST_INTENT} characters.",
        examples=["Build Analytics Engine for tracking droplet metrics"],
    )
    droplet_id: Annotated[int, Field(strict=True, ge=1, le=_HIGHEST_ID)] | None = Field(
        default=None, description="The number wanted; left out, the next free one."
    )
    droplet_name: Annotated[str, Field(strict=True), _checked(check_name)] | None = Field(
        default=None, description="The name wanted; left out, derived from the intent."
    )
    approval_mode: Literal["auto", "checkpoints", "final"] | None = Field(
        default=None, description="Which gates a person passes; left out, the daemon's default."
    )
    notify_channels: Annotated[list[Annotated[str, Field(strict=True)]], Field(max_length=_MOST_CHANNELS)] = (
        Field(default_factory=list, description="Whom to tell: slack, email or a [notify.NAME].")
    )
    auto_approve: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Accept the review at once when every check is green."
    )
    budget_usd: Dollars | None = Field(default=None, description="What the model may cost, in dollars.")
    target: Annotated[str, Field(pattern=r"^[a-z0-9:-]{1,60}$")] | None = Field(
        default=None, description="Where the release runs: process, docker, docker:HOST or swarm."
    )

    @field_validator("notify_channels", mode="after")
    @classmethod
    def _once(cls, channels: list[str]) -> list[str]:
        return list(dict.fromkeys(channels))


class ApproveBody(_Body):
    """POST …/approve: a decision at a gate, or at the review."""

    checkpoint: Literal["spec_generated", "built", "deployed"] | None = Field(
        default=None, description="The gate meant; left out, the open one, else the review."
    )
    decision: Decision = Field(default=Decision.APPROVE, description="approve, reject or revise.")
    feedback: Text = Field(default="", description="Why; what to change, for a revision.")
    gate_id: Name | None = Field(
        default=None, description="The opening of the gate that was looked at; another one is 409."
    )


class AnswerBody(_Body):
    """POST …/answer: answers by the id of their question."""

    answers: Annotated[dict[Name, Text], Field(min_length=1, max_length=50)]


class BudgetBody(_Body):
    """POST …/budget: a top-up."""

    usd: Dollars


class RetryBody(_Body):
    """POST …/retry: where to begin again."""

    from_step: Annotated[int, Field(strict=True, ge=FIRST_STEP, le=LAST_STEP)] | None = Field(
        default=None, description="1 to 8; left out, the step that the build stands at."
    )


class EmptyBody(_Body):
    """A request that says everything with its address."""


class RollbackBody(_Body):
    """Which release is to serve again."""

    to: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="An earlier release, or the build that made it; without: the newest one."
    )


class MessageBody(BaseModel):
    """POST /message in the contract's variants A and B, and wrapped in an envelope (ecosystem.md, 1.1)."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    message_type: Literal[
        "task_assignment", "status_update", "query", "status", "event", "command", "response", "heartbeat"
    ]
    payload: dict[str, Any] = Field(default_factory=dict)
    from_service: Name | None = None
    reply_to: (
        Annotated[str, Field(strict=True, min_length=1, max_length=2048), AfterValidator(_plain)] | None
    ) = Field(
        default=None, description="Where the end of an ordered build is told: an address or a service's name."
    )
    message_id: Name | None = None
    udc_version: Name | None = None
    trace_id: Name | None = None
    source: Name | Annotated[int, Field(strict=True)] | None = None
    target: Name | Annotated[int, Field(strict=True)] | None = None
    timestamp: Name | None = None
    signature: Text | None = None
