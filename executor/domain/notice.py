"""Notices: what a person is told about a build, wherever they are; the same facts for every channel."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from executor.domain.build import Build, State
from executor.domain.events import Event, iso
from executor.domain.gates import Checkpoint

Notice = Mapping[str, Any]
"""The document of `notice_of`, as JSON has it."""


class NoticeKind(StrEnum):
    """Why somebody is told; the wire words of webhooks."""

    COMPLETED = "build.completed"
    GATE_OPENED = "build.gate_opened"
    INPUT_REQUESTED = "build.input_requested"
    FAILED = "build.failed"
    BUDGET = "build.budget_notice"
    DECIDED = "build.decided"
    ENDED = "build.ended"


_KINDS = {
    "build_completed": NoticeKind.COMPLETED,
    "approval_requested": NoticeKind.GATE_OPENED,
    "input_requested": NoticeKind.INPUT_REQUESTED,
    "build_failed": NoticeKind.FAILED,
    "budget_notice": NoticeKind.BUDGET,
    "approved": NoticeKind.DECIDED,
    "review_approved": NoticeKind.DECIDED,
    "revision_requested": NoticeKind.DECIDED,
    "input_received": NoticeKind.DECIDED,
    "build_rejected": NoticeKind.DECIDED,
    "rollback_started": NoticeKind.DECIDED,
    "build_cancelled": NoticeKind.ENDED,
    "release_withdrawn": NoticeKind.ENDED,
}
_DECISIONS = {
    "approved": "approve",
    "review_approved": "approve",
    "revision_requested": "revise",
    "build_rejected": "reject",
    "input_received": "answer",
    "rollback_started": "reject",
}

_SETTLING = frozenset({NoticeKind.DECIDED, NoticeKind.ENDED, NoticeKind.FAILED})


def kind_of(event: Event) -> NoticeKind | None:
    """Whether this event is worth telling anybody, and as what."""
    return _KINDS.get(event.event_type)


def notice_of(build: Build, event: Event, kind: NoticeKind, base_url: str) -> dict[str, Any]:
    """Everything that a message, a mail or a webhook says; `build` is as the event's checkpoint left it."""
    facts, hold, review = build.facts, build.hold or {}, build.review or {}
    pending = review if kind is NoticeKind.COMPLETED and review.get("decision") == "pending" else {}
    gate = hold if kind is NoticeKind.GATE_OPENED else pending
    decided = str(event.data.get("gate_id") or review.get("gate_id") or "")
    return {
        "kind": kind.value,
        "build_id": build.id,
        "droplet_id": build.droplet_id,
        "droplet_name": build.droplet_name,
        "title": build.droplet_name.replace("-", " ").title(),
        "intent": build.intent,
        "status": "in_progress" if build.state is State.WITHDRAWING else build.state.value,
        "step": event.step,
        "message": event.message,
        "checkpoint": gate.get("checkpoint"),
        "gate_id": gate.get("gate_id"),
        "asks": gate.get("asks"),
        "evidence": dict(gate.get("evidence") or {}),
        "questions": list(hold.get("questions", [])) if kind is NoticeKind.INPUT_REQUESTED else [],
        "decided_gate_id": decided if kind is NoticeKind.DECIDED else None,
        "decision": _DECISIONS.get(event.event_type),
        "decided_by": event.data.get("by") or None,
        "feedback": event.data.get("feedback") or None,
        "error": dict(build.error) if kind is NoticeKind.FAILED and build.error else None,
        "duration_seconds": round(event.timestamp - build.created_at, 1),
        "files_created": facts.get("files_created", 0),
        "tests_passing": facts.get("tests_passing", 0),
        "tests_failing": facts.get("tests_failing", 0),
        "spec_score": facts.get("spec_score"),
        "deployment_url": facts.get("deployment_url"),
        "repository_url": facts.get("repository_url"),
        "release": facts.get("release"),
        "commit": facts.get("commit"),
        "cost_usd": facts.get("cost_usd", 0.0),
        "cost_known": bool(facts.get("cost_known", True)) and not facts.get("unknown_cost_turns"),
        "budget_usd": build.budget_usd,
        "approval_mode": build.approval_mode.value,
        "review_url": f"{base_url}/builds/{build.id}",
        "timestamp": iso(event.timestamp),
    }


def asks(notice: Notice) -> bool:
    """True when the notice asks a person for something: a decision, or answers."""
    return can_decide(notice) or bool(notice.get("questions"))


def settles(notice: Notice) -> bool:
    """True when nothing that was asked before is open after it."""
    return notice["kind"] in _SETTLING


def can_decide(notice: Notice) -> bool:
    """True when the notice asks for a decision that buttons or a link may take."""
    return bool(notice.get("gate_id")) and notice.get("checkpoint") in set(Checkpoint)
