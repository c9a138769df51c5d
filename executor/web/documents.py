"""What callers get back, as models: OpenAPI describes replies by them, tests hold replies against them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class _Document(BaseModel):
    # defer_build: what a start would spend on models (0.1 s), their first use spends.
    model_config = ConfigDict(extra="forbid", defer_build=True)


class ErrorBody(_Document):
    """What happened, what it means, and in `details.hint` what to do next."""

    code: str
    message: str
    details: dict[str, Any]
    request_id: str


class ErrorEnvelope(_Document):
    """Every non-2xx answer."""

    error: ErrorBody


class StartedDocument(_Document):
    """The answer to a submit."""

    build_id: str
    status: Literal["started"]
    droplet_id: int
    droplet_name: str
    estimated_completion: str
    stream_url: str
    status_url: str
    web_url: str
    warnings: list[str]


class StepDocument(_Document):
    """A step that is behind the build."""

    step: int
    name: str
    status: Literal["complete"]
    duration_seconds: float


class StepDetails(BaseModel):
    """What the current step is doing; steps may tell more."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    started_at: str | None
    action: str
    fraction: float | None
    ai_iterations: int
    files_created: int
    tests_passing: int
    tests_failing: int
    max_iterations: int | None


class GateDocument(_Document):
    """The open gate."""

    checkpoint: Literal["spec_generated", "built", "deployed"]
    gate_id: str
    asks: str
    evidence: dict[str, Any]
    opened_at: str


class StatusDocument(_Document):
    """Where a build stands."""

    build_id: str
    droplet_id: int
    droplet_name: str
    status: Literal[
        "queued", "in_progress", "waiting_approval", "waiting_input", "waiting_retry", "complete", "failed",
        "cancelled", "rejected", "rolled_back",
    ]  # fmt: skip
    current_step: int
    current_step_name: str
    progress_percent: int
    steps_completed: list[StepDocument]
    current_step_details: StepDetails
    estimated_completion: str
    remaining_seconds: float
    elapsed_seconds: float
    working_seconds: float
    cost_usd: float
    cost_known: bool
    tokens: int
    turns: int
    cache_hit_rate: float | None
    budget_usd: float | None
    attempt: int
    gate: GateDocument | None
    questions: list[dict[str, Any]]
    needs: str | None
    waiting_reason: str | None
    retry_at: str | None
    warnings: list[str]
    error: dict[str, Any] | None
    review: dict[str, Any] | None
    deployment_url: str | None
    repository_url: str | None
    repository_path: str | None
    release: str | None
    spec_score: float | None
    commit: str | None
    provider: str | None
    model: str | None
    model_used: bool
    left_out: list[Any]
    intent: str
    approval_mode: Literal["auto", "checkpoints", "final"]
    auto_approve: bool
    target: str
    created_at: str
    updated_at: str
    finished_at: str | None
    last_seq: int
    web_url: str
    status_url: str
    stream_url: str
    links: dict[str, str]


class EventDocument(_Document):
    """A past-tense fact of a build; `seq` counts from 1 without gaps."""

    v: Literal[1]
    seq: int
    event_type: str
    build_id: str
    step: int
    step_name: str
    attempt: int
    progress_percent: int
    message: str
    timestamp: str
    data: dict[str, Any]


class LogLine(_Document):
    """One line of the build log."""

    line: int
    step: int
    attempt: int
    level: str
    text: str
    timestamp: str


class LogDocument(_Document):
    """Lines, and the number after which the next ones follow."""

    lines: list[LogLine]
    next: int


class ToolCallDocument(_Document):
    """One tool call of a turn; `about` is its path or the first line of its command."""

    name: str
    about: str
    state: Literal["started", "finished"]
    seconds: float | None
    is_error: bool


class TokensDocument(_Document):
    """Tokens by their price; `input` are those that neither came from the cache nor went into it."""

    input: int
    output: int
    cache_read: int
    cache_write: int


class TurnDocument(_Document):
    """One call of a model. `cost_usd` is null where it is not known: lost calls, models without a price."""

    number: int
    conversation: str
    model: str
    state: Literal["asked", "answered", "failed", "lost"]
    asked_at: str
    seconds: float | None
    stop_reason: str | None
    error: str | None
    tokens: TokensDocument
    cost_usd: float | None
    tool_calls: list[ToolCallDocument]


class NotificationDocument(_Document):
    """One notice to one channel. `about` is its kind, such as build.completed; `reason` why a try failed."""

    channel: str
    about: str | None
    state: Literal["waiting", "told", "given_up"]
    created_at: str
    told_at: str | None
    gave_up_at: str | None
    next_try_at: str | None
    attempts: int
    reason: str | None


class SumsDocument(_Document):
    """Builds of one kind. `counted` ended other than by a cancel; durations are those of successes."""

    builds: int
    states: dict[str, int]
    counted: int
    succeeded: int
    success_rate: float | None
    success_between: tuple[float, float] | None
    median_elapsed_seconds: float | None
    median_working_seconds: float | None
    longest_elapsed_seconds: float | None
    cost_usd: float
    cost_per_success_usd: float | None
    builds_of_unknown_cost: int
    turns: int
    tokens: TokensDocument
    cache_hit_rate: float | None


class CostDocument(_Document):
    """What all builds came to, by who built; `undecided` ended before anyone began."""

    wanted: dict[str, float]
    model: SumsDocument
    scaffold: SumsDocument
    undecided: SumsDocument


class ReleaseDocument(_Document):
    """One release of a droplet; `state` is live, superseded or withdrawn."""

    release_id: str
    version: str
    commit: str
    build_id: str
    target: str
    state: str
    url: str
    created_at: str


class DropletDocument(_Document):
    """A droplet of the built-in registry."""

    droplet_id: int
    name: str
    url: str | None
    release: str | None
    health: str
    updated_at: str
    releases: list[ReleaseDocument]
