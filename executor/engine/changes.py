"""What each outcome and each command writes: pure functions from a build to a Change."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from executor.domain.build import RUNNABLE, STEP_NAMES, Build, CompletedStep, State
from executor.domain.events import NewEvent, iso
from executor.domain.gates import ASKS, Checkpoint, gate_id
from executor.domain.outcome import Artifact, Ask, Done, Repair
from executor.engine.machine import Change
from executor.engine.resuming import UNAPPROVED
from executor.errors import ExecutorError
from executor.store.builds import Saying, StepRun

GO_ON_OPTIONS = ("retry", "stop")


def begin_step(build: Build, facts: Mapping[str, Any], step: int, now: float) -> dict[str, Any]:
    """Field values with which a step starts anew; its attempt counts all tries of this build."""
    attempts = {**facts.get("attempts", {})}
    attempt = int(attempts.get(str(step), 0)) + 1
    attempts[str(step)] = attempt
    return {
        "step": step,
        "attempt": attempt,
        "step_started_at": now,
        "completed": tuple(c for c in build.completed if c.step < step),
        "facts": {**facts, "attempts": attempts},
        "hold": None,
        "error": None,
    }


def started(build: Build, now: float) -> Change:
    """A queued build gets its slot."""
    updates = {**begin_step(build, build.facts, build.step, now), "wake_at": None}
    return Change(updates, (_step_started(build, build.step, updates["attempt"]),))


def picked_up(build: Build, now: float) -> Build:
    """The build as a new daemon goes on with it: the time in which no daemon ran was not work.

    Nothing is written for it; the next checkpoint takes it along, and a kill before that changes nothing.
    """
    if build.step_started_at is None or build.state not in RUNNABLE:
        return build
    worked = max(0.0, build.updated_at - build.step_started_at)
    return replace(build, working_seconds=build.working_seconds + worked, step_started_at=now)


def step_done(build: Build, outcome: Done, now: float) -> Change:
    """A step is complete and the next one begins in the same commit."""
    behind, seconds = _behind(build, now)
    updates = begin_step(build, {**build.facts, **outcome.facts}, build.step + 1, now)
    updates |= {"completed": behind, "working_seconds": build.working_seconds + seconds, **_calm()}
    if outcome.droplet_id is not None:
        updates["droplet_id"] = outcome.droplet_id
    events = (
        *_told(build, outcome),
        _step_completed(build, outcome, seconds),
        _step_started(build, build.step + 1, updates["attempt"]),
    )
    return Change(updates, events, outcome.artifacts, _run(build, "done", now, seconds))


def finished(build: Build, outcome: Done, now: float) -> Change:
    """Step 8 is complete: the build is, and its review opens (or is accepted where that was asked for)."""
    behind, seconds = _behind(build, now)
    facts = {**build.facts, **outcome.facts}
    subject = str(facts.get("release", ""))
    review: dict[str, Any] = {
        "checkpoint": Checkpoint.DEPLOYED,
        "gate_id": gate_id(build.id, Checkpoint.DEPLOYED, subject, build.last_seq),
        "decision": "approved" if build.auto_approve else "pending",
        "asks": ASKS[Checkpoint.DEPLOYED],
        "decided_at": iso(now) if build.auto_approve else None,
    }
    events = [*_told(build, outcome), _step_completed(build, Done("Reported."), seconds)]
    events.append(NewEvent("build_completed", outcome.message, {"url": facts.get("deployment_url")}))
    if build.auto_approve:
        events.append(NewEvent("review_approved", "Accepted at once, as asked: every check is green."))
    updates = {
        "completed": behind,
        "working_seconds": build.working_seconds + seconds,
        "finished_at": now,
        "step_started_at": None,
        "facts": facts,
        "review": review,
        **_calm(),
    }
    return Change(updates, tuple(events), outcome.artifacts, _run(build, "done", now, seconds))


def gate_opened(build: Build, outcome: Done, gate: Checkpoint, now: float) -> Change:
    """A step is complete and a person decides before the next one."""
    behind, seconds = _behind(build, now)
    facts = {**build.facts, **outcome.facts, UNAPPROVED: build.step}
    subject = _subject(facts, outcome, gate)
    opened = gate_id(build.id, gate, subject, build.last_seq)
    hold = {
        "checkpoint": gate,
        "gate_id": opened,
        "asks": ASKS[gate],
        "subject": subject,
        "opened_at": iso(now),
        "evidence": dict(outcome.facts),
    }
    updates = {
        "step": build.step + 1,
        "attempt": 1,
        "step_started_at": None,
        "completed": behind,
        "working_seconds": build.working_seconds + seconds,
        "facts": facts,
        "hold": hold,
        **_calm(),
    }
    events = (
        *_told(build, outcome),
        _step_completed(build, outcome, seconds),
        NewEvent("approval_requested", ASKS[gate], {"checkpoint": gate, "gate_id": opened}),
    )
    return Change(updates, events, outcome.artifacts, _run(build, "done", now, seconds))


def repair(build: Build, outcome: Repair, now: float) -> Change:
    """Back to an earlier step with what went wrong."""
    seconds = _elapsed(build, now)
    updates = begin_step(build, {**build.facts, **outcome.facts}, outcome.to_step, now)
    updates |= {"repairs": build.repairs + 1, "working_seconds": build.working_seconds + seconds, **_calm()}
    events = (
        NewEvent("repair_started", outcome.reason, {"feedback": outcome.feedback[:2000]}),
        _step_started(build, outcome.to_step, updates["attempt"]),
    )
    saying = Saying("", "repair", "repair", outcome.feedback)
    return Change(updates, events, outcome.artifacts, _run(build, "repair", now, seconds), saying)


def input_asked(build: Build, outcome: Ask, now: float) -> Change:
    """Only a person can say how to go on."""
    seconds = _elapsed(build, now)
    hold = {
        "reason": outcome.reason,
        "questions": [dict(q) for q in outcome.questions],
        "opened_at": iso(now),
        "needs": outcome.needs,
    }
    updates = {
        "hold": hold,
        "step_started_at": None,
        "working_seconds": build.working_seconds + seconds,
        "facts": {**build.facts, **outcome.facts},
        **_calm(),
    }
    event = NewEvent("input_requested", outcome.reason, {"questions": hold["questions"]})
    return Change(updates, (event,), run=_run(build, "asked", now, seconds))


def retry_awaited(build: Build, error: ExecutorError, wait: float, now: float) -> Change:
    """The step is tried again later; the wait is visible and is not working time."""
    seconds = _elapsed(build, now)
    updates = {
        "wake_at": now + wait,
        "retries": build.retries + 1,
        "retrying_since": build.retrying_since or now,
        "step_started_at": None,
        "working_seconds": build.working_seconds + seconds,
        "error": describe(error, build.step),
    }
    event = NewEvent(
        "retry_scheduled",
        f"{error.message} Trying again at {iso(now + wait)}.",
        {"wake_at": iso(now + wait), "retries": build.retries + 1},
    )
    return Change(updates, (event,), run=_run(build, "retry", now, seconds))


def failed(build: Build, error: ExecutorError, now: float) -> Change:
    """The build is over unless a person retries it."""
    seconds = _elapsed(build, now)
    described = describe(error, build.step)
    updates = {
        "error": described,
        "finished_at": now,
        "step_started_at": None,
        "hold": None,
        "working_seconds": build.working_seconds + seconds,
        **_calm(),
    }
    event = NewEvent("build_failed", error.message, described)
    return Change(updates, (event,), run=_run(build, "failed", now, seconds))


def requeued(build: Build, step: int, event: NewEvent, saying: Saying | None = None) -> Change:
    """Back into the queue at a step: after an approval, an answer, a wait or a retry."""
    updates = {
        "step": step,
        "step_started_at": None,
        "finished_at": None,
        "hold": None,
        "error": None,
        "wake_at": None,
        "completed": tuple(c for c in build.completed if c.step < step),
    }
    return Change(updates, (event,), saying=saying)


def let_go_on(build: Build, event: NewEvent, saying: Saying) -> Change:
    """A person let the build go on: its step comes again, with a deadline and repairs of its own."""
    queued = requeued(build, build.step, event, saying)
    facts = {**build.facts, "deadline_from": build.working_seconds}
    return replace(queued, updates={**queued.updates, "facts": facts, "repairs": 0})


def woken(event: NewEvent) -> Change:
    """A wait is over; the count of tries goes on until the step succeeds."""
    return Change({"wake_at": None, "error": None, "step_started_at": None}, (event,))


def ended(build: Build, event: NewEvent, now: float, **updates: Any) -> Change:
    """The build ends without further work: cancelled, rejected, withdrawn."""
    working = build.working_seconds + _elapsed(build, now)
    return Change(
        {
            "finished_at": now,
            "hold": None,
            "error": None,
            "step_started_at": None,
            "working_seconds": working,
            **_calm(),
            **updates,
        },
        (event,),
    )


def withdrawal_begun(build: Build, event: NewEvent, now: float, to: State, **updates: Any) -> Change:
    """The release of this build is to be taken back; `to` is where the build ends."""
    working = build.working_seconds + _elapsed(build, now)
    return Change(
        {
            "withdraw_to": to,
            "hold": None,
            "error": None,
            "finished_at": None,
            "step_started_at": now,
            "working_seconds": working,
            **_calm(),
            **updates,
        },
        (event,),
    )


def describe(error: ExecutorError, step: int) -> dict[str, Any]:
    """The error as status and events show it."""
    shown: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint, "step": step}
    if error.details:
        shown["details"] = error.details
    return shown


def go_on_question(text: str) -> Mapping[str, Any]:
    """The one question of an escalation that only needs a yes or a no."""
    return {"id": "go_on", "question": text, "options": list(GO_ON_OPTIONS), "default": "retry"}


def _calm() -> dict[str, Any]:
    return {"retries": 0, "retrying_since": None, "wake_at": None}


def _subject(facts: Mapping[str, Any], outcome: Done, gate: Checkpoint) -> str:
    if gate is Checkpoint.SPEC_GENERATED:
        spec = next((a.body for a in outcome.artifacts if a.kind == "spec"), "")
        return hashlib.sha256(spec.encode()).hexdigest()
    return str(facts.get("commit", ""))


def _behind(build: Build, now: float) -> tuple[tuple[CompletedStep, ...], float]:
    seconds = _elapsed(build, now)
    return (*build.completed, CompletedStep(build.step, round(seconds, 3))), seconds


def _elapsed(build: Build, now: float) -> float:
    return max(0.0, now - build.step_started_at) if build.step_started_at is not None else 0.0


def _run(build: Build, ended: str, now: float, seconds: float) -> StepRun:
    return StepRun(build.step, build.attempt, ended, now, seconds)


def _step_started(build: Build, step: int, attempt: int) -> NewEvent:

    again = f", attempt {attempt}" if attempt > 1 else ""
    return NewEvent(
        "step_started", f"Step {step}, {STEP_NAMES[step - 1]}, started{again}.", {"attempt": attempt}
    )


def _told(build: Build, outcome: Done) -> tuple[NewEvent, ...]:
    """The step's own events; they are about the step that ends with this checkpoint."""
    return tuple(replace(event, step=build.step, attempt=build.attempt) for event in outcome.events)


def _step_completed(build: Build, outcome: Done, seconds: float) -> NewEvent:
    data = {"duration_seconds": round(seconds, 3)}
    return NewEvent("step_completed", outcome.message, data, build.step, build.attempt)


def with_artifacts(change: Change, artifacts: tuple[Artifact, ...]) -> Change:
    """The same change with what was made joined to it."""
    return replace(change, artifacts=(*change.artifacts, *artifacts))
