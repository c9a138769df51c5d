"""The status document: a pure view of a build and of what it is doing right now (interfaces.md, HTTP)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from executor.domain.build import FINISHED, STEP_NAMES, Build, State
from executor.domain.events import iso
from executor.web.api import Live

WITHDRAWAL_NAME = "Rollback"
STATUS_WORDS: dict[State, str] = {state: state.value for state in State} | {State.WITHDRAWING: "in_progress"}
WORD_STATES: dict[str, tuple[State, ...]] = {
    word: tuple(state for state in State if STATUS_WORDS[state] == word) for word in STATUS_WORDS.values()
}
_COUNTS = ("ai_iterations", "files_created", "tests_passing", "tests_failing")
_CACHED = 1024
_FRESH_SECONDS = 0.1


def status_document(build: Build, live: Live, now: float, base_url: str) -> dict[str, Any]:
    """The architect's document, with what else a person or a program needs. `now` is the live clock's."""
    facts = build.facts
    fraction = live.fraction(build.id)
    finished = build.state in FINISHED
    left = 0.0 if finished else live.estimator.remaining(build, now, fraction)
    address = f"{base_url}/executor/builds/{build.id}"
    stream_url = f"ws{address.removeprefix('http')}/stream"
    web_url = f"{base_url}/builds/{build.id}"
    hold = build.hold or {}
    return {
        "build_id": build.id,
        "droplet_id": build.droplet_id,
        "droplet_name": build.droplet_name,
        "status": STATUS_WORDS[build.state],
        "current_step": build.step,
        "current_step_name": step_name(build),
        "progress_percent": live.estimator.percent(build, now, fraction),
        "steps_completed": [
            {
                "step": done.step,
                "name": STEP_NAMES[done.step - 1],
                "status": "complete",
                "duration_seconds": done.seconds,
            }
            for done in build.completed
        ],
        "current_step_details": _details(build, live.details(build.id), fraction),
        "estimated_completion": iso((build.finished_at or build.updated_at) if finished else now + left),
        "remaining_seconds": round(left, 1),
        "elapsed_seconds": round((build.finished_at or now) - build.created_at, 1),
        "working_seconds": round(_working(build, now), 1),
        "cost_usd": facts.get("cost_usd", 0.0),
        "cost_known": facts.get("cost_known", True) and not facts.get("unknown_cost_turns"),
        "tokens": facts.get("tokens", 0),
        "turns": facts.get("turns", 0),
        "cache_hit_rate": facts.get("cache_hit_rate"),
        "budget_usd": build.budget_usd,
        "attempt": build.attempt,
        "gate": _gate(hold) if build.state is State.WAITING_APPROVAL else None,
        "questions": hold.get("questions", []) if build.state is State.WAITING_INPUT else [],
        "needs": (hold.get("needs") or None) if build.state is State.WAITING_INPUT else None,
        "waiting_reason": _reason(build, hold),
        "retry_at": iso(build.wake_at) if build.wake_at is not None else None,
        "warnings": build.warnings,
        "error": build.error,
        "review": build.review,
        "deployment_url": facts.get("deployment_url"),
        "repository_url": facts.get("repository_url"),
        "repository_path": facts.get("repository_path"),
        "release": facts.get("release"),
        "spec_score": facts.get("spec_score"),
        "commit": facts.get("commit"),
        "provider": facts.get("provider"),
        "model": facts.get("model"),
        "model_used": bool(facts.get("turns")) or facts.get("provider") not in {None, "scaffold"},
        "left_out": facts.get("left_out", []),
        "intent": build.intent,
        "approval_mode": build.approval_mode,
        "auto_approve": build.auto_approve,
        "target": build.target,
        "created_at": iso(build.created_at),
        "updated_at": iso(build.updated_at),
        "finished_at": iso(build.finished_at) if build.finished_at is not None else None,
        "last_seq": build.last_seq,
        "web_url": web_url,
        "status_url": f"{address}/status",
        "stream_url": stream_url,
        "links": {
            "events": f"{address}/events",
            "log": f"{address}/log",
            "spec": f"{address}/spec",
            "diff": f"{address}/diff",
            "tests": f"{address}/tests",
            "report": f"{address}/report",
            "turns": f"{address}/turns",
        },
    }


def step_name(build: Build) -> str:
    """The name of what is being done; a withdrawal is no step of the eight."""
    return WITHDRAWAL_NAME if build.state is State.WITHDRAWING else STEP_NAMES[build.step - 1]


class StatusDocuments:
    """Status documents as bytes; a finished build's are made once, others at most ten times a second.

    A checkpoint gives its build another version, so only clocks and live details can be that old.
    """

    def __init__(self, live: Live, base_url: str) -> None:
        self._live = live
        self._base_url = base_url
        self._known: OrderedDict[str, tuple[int, float, bytes]] = OrderedDict()

    def document(self, build: Build) -> dict[str, Any]:
        """The document of this moment."""
        return status_document(build, self._live, self._live.now(), self._base_url)

    def encoded(self, build: Build) -> bytes:
        """The document as JSON."""
        now = self._live.now()
        known = self._known.get(build.id)
        is_same = known is not None and known[0] == build.version
        if known and is_same and (build.state in FINISHED or abs(now - known[1]) < _FRESH_SECONDS):
            return known[2]
        made = to_json(self.document(build), inf_nan_mode="null")
        self._known[build.id] = (build.version, now, made)
        if len(self._known) > _CACHED:
            self._known.popitem(last=False)
        return made


def _details(build: Build, live: Mapping[str, Any], fraction: float | None) -> dict[str, Any]:
    known: dict[str, Any] = {name: build.facts.get(name, 0) for name in _COUNTS}
    known["started_at"] = iso(build.step_started_at) if build.step_started_at is not None else None
    known["max_iterations"] = (build.facts.get("apprentice") or {}).get("allowed")
    known["action"] = ""
    known["fraction"] = fraction
    known.update(live)
    return known


def _gate(hold: Mapping[str, Any]) -> dict[str, Any]:
    names = ("checkpoint", "gate_id", "asks", "evidence", "opened_at")
    return {name: hold.get(name) for name in names}


def _reason(build: Build, hold: Mapping[str, Any]) -> str | None:
    if build.state is State.WAITING_RETRY and build.error:
        return str(build.error.get("message", ""))
    reason = hold.get("reason") or hold.get("asks")
    return str(reason) if reason else None


def _working(build: Build, now: float) -> float:
    started = build.step_started_at
    return build.working_seconds + (max(0.0, now - started) if started is not None else 0.0)
