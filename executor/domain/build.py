"""A build: one walk of the loop, as one immutable value that the database stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

STEP_NAMES = (
    "Intent",
    "SPEC Generation",
    "Coordinator Package",
    "Apprentice Build",
    "Verifier",
    "Deployer",
    "Registry Update",
    "Report",
)
FIRST_STEP = 1
LAST_STEP = len(STEP_NAMES)
SPEC_STEP, PACKAGE_STEP, BUILD_STEP, VERIFY_STEP, DEPLOY_STEP, REGISTER_STEP, REPORT_STEP = range(2, 9)


class State(StrEnum):
    """Where a build stands; the API's status words are mapped from these at the web edge."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    WAITING_APPROVAL = "waiting_approval"
    WAITING_INPUT = "waiting_input"
    WAITING_RETRY = "waiting_retry"
    WITHDRAWING = "withdrawing"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"


RUNNABLE = frozenset({State.IN_PROGRESS, State.WITHDRAWING})
WAITING = frozenset({State.WAITING_APPROVAL, State.WAITING_INPUT, State.WAITING_RETRY})
FINISHED = frozenset({State.COMPLETE, State.FAILED, State.CANCELLED, State.REJECTED, State.ROLLED_BACK})


class ApprovalMode(StrEnum):
    """Which gates a person has chosen (interfaces.md, Gates)."""

    AUTO = "auto"
    CHECKPOINTS = "checkpoints"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class CompletedStep:
    """One step that is behind the build, with the seconds that its last attempt took."""

    step: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Build:
    """Everything that outlives a process about one build. Times are seconds since the epoch, UTC.

    `version` grows by one with every checkpoint and guards each UPDATE; `last_seq` is the number of
    the newest event; `hold` is the open gate or the open questions; `facts` is what the steps learned
    (score, commit, release, address); `withdraw_to` is the state that ends a withdrawal.
    """

    id: str
    intent: str
    droplet_id: int
    droplet_name: str
    approval_mode: ApprovalMode
    target: str
    created_at: float
    updated_at: float
    auto_approve: bool = False
    chosen_id: bool = False
    notify_channels: tuple[str, ...] = ()
    budget_usd: float | None = None
    request_id: str = ""
    version: int = 0
    state: State = State.QUEUED
    step: int = FIRST_STEP
    attempt: int = 1
    step_started_at: float | None = None
    finished_at: float | None = None
    working_seconds: float = 0.0
    last_seq: int = 0
    retries: int = 0
    repairs: int = 0
    retrying_since: float | None = None
    wake_at: float | None = None
    hold: Mapping[str, Any] | None = None
    review: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    withdraw_to: State | None = None
    completed: tuple[CompletedStep, ...] = ()
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def step_name(self) -> str:
        """The current step's name as the architect's document writes it."""
        return STEP_NAMES[self.step - 1]

    @property
    def is_last_step(self) -> bool:
        """True at step 8, after which the build is complete."""
        return self.step == LAST_STEP

    @property
    def has_deployment(self) -> bool:
        """True once something may be running for this build that a cancel has to withdraw."""
        return bool(self.facts.get("deploying"))
