"""The lifecycle of a build as one table: which trigger leads from which state to which, and when.

The engine binds this table to transitions' AsyncMachine. Rows of one trigger are tried from top to
bottom; the first whose guard holds is taken. Guards name predicates of the machine's model.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from executor.domain.build import FINISHED, State


class Trigger(StrEnum):
    """What can happen to a build."""

    START = "start"
    COMPLETE_STEP = "complete_step"
    FINISH = "finish"
    REPAIR = "repair"
    ASK_APPROVAL = "ask_approval"
    ASK_INPUT = "ask_input"
    WAIT_RETRY = "wait_retry"
    FAIL = "fail"
    APPROVE = "approve"
    REVISE = "revise"
    REJECT = "reject"
    ANSWER = "answer"
    WAKE = "wake"
    RETRY = "retry"
    CANCEL = "cancel"
    REVIEW = "review"
    WITHDRAW = "withdraw"
    WITHDRAWN = "withdrawn"
    KEEP = "keep"
    AMEND = "amend"


@dataclass(frozen=True, slots=True)
class Transition:
    """One row: `dest` None keeps the state; `guard` names a predicate that must hold."""

    trigger: Trigger
    sources: tuple[State, ...]
    dest: State | None
    guard: str | None = None


_UNFINISHED = tuple(s for s in State if s not in FINISHED and s is not State.WITHDRAWING)
_IN = (State.IN_PROGRESS,)

TRANSITIONS: tuple[Transition, ...] = (
    Transition(Trigger.START, (State.QUEUED,), State.IN_PROGRESS),
    Transition(Trigger.COMPLETE_STEP, _IN, None, "has_next_step"),
    Transition(Trigger.FINISH, _IN, State.COMPLETE, "is_last_step"),
    Transition(Trigger.REPAIR, _IN, None, "has_repairs_left"),
    Transition(Trigger.ASK_APPROVAL, _IN, State.WAITING_APPROVAL, "has_next_step"),
    Transition(Trigger.ASK_INPUT, _IN, State.WAITING_INPUT),
    Transition(Trigger.WAIT_RETRY, _IN, State.WAITING_RETRY),
    Transition(Trigger.WAIT_RETRY, (State.WITHDRAWING,), None),
    Transition(Trigger.FAIL, (State.IN_PROGRESS, State.WAITING_INPUT), State.FAILED),
    Transition(Trigger.APPROVE, (State.WAITING_APPROVAL,), State.QUEUED),
    Transition(Trigger.REVISE, (State.WAITING_APPROVAL,), State.QUEUED),
    Transition(Trigger.REJECT, (State.WAITING_APPROVAL,), State.WITHDRAWING, "has_deployment"),
    Transition(Trigger.REJECT, (State.WAITING_APPROVAL,), State.REJECTED),
    Transition(Trigger.ANSWER, (State.WAITING_INPUT,), State.QUEUED),
    Transition(Trigger.WAKE, (State.WAITING_RETRY,), State.QUEUED),
    Transition(
        Trigger.RETRY,
        (State.FAILED, State.CANCELLED, State.REJECTED, State.WAITING_INPUT, State.WAITING_RETRY),
        State.QUEUED,
    ),
    Transition(Trigger.CANCEL, _UNFINISHED, State.WITHDRAWING, "has_deployment"),
    Transition(Trigger.CANCEL, _UNFINISHED, State.CANCELLED),
    Transition(Trigger.REVIEW, (State.COMPLETE,), None),
    Transition(Trigger.WITHDRAW, (State.COMPLETE, State.FAILED), State.WITHDRAWING, "has_deployment"),
    Transition(Trigger.WITHDRAWN, (State.WITHDRAWING,), State.CANCELLED, "withdraws_to_cancelled"),
    Transition(Trigger.WITHDRAWN, (State.WITHDRAWING,), State.REJECTED, "withdraws_to_rejected"),
    Transition(Trigger.WITHDRAWN, (State.WITHDRAWING,), State.ROLLED_BACK),
    Transition(Trigger.KEEP, (State.WITHDRAWING,), State.COMPLETE),
    Transition(Trigger.AMEND, tuple(State), None),
)
