"""What people and other programs may ask of builds; every answer is given after its commit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from executor.domain.build import FINISHED, Build, State
from executor.domain.events import NewEvent
from executor.domain.gates import Decision
from executor.domain.lifecycle import Trigger
from executor.engine import changes
from executor.engine.decisions import Decisions
from executor.engine.intake import Intake
from executor.engine.live import Live
from executor.engine.machine import BuildModel, Change, Lifecycle
from executor.engine.requests import SubmitReply, SubmitRequest
from executor.engine.resuming import step_to_resume
from executor.engine.scheduler import Scheduler
from executor.engine.top_up import top_up
from executor.errors import Conflict, Invalid, StaleView
from executor.store.builds import Saying
from executor.store.store import Store

_TRIES = 5


class Commands:
    """The engine's verbs. Raises Conflict when a build cannot take one, NotFound for an unknown build."""

    def __init__(
        self,
        *,
        store: Store,
        live: Live,
        lifecycle: Lifecycle,
        scheduler: Scheduler,
        intake: Intake,
        decisions: Decisions,
    ) -> None:
        self._store = store
        self._live = live
        self._lifecycle = lifecycle
        self._scheduler = scheduler
        self._intake = intake
        self._decisions = decisions
        # A top-up adds to what is there, and only top-ups change it: one after another, none is lost.
        self._purse = asyncio.Lock()

    async def submit(self, request: SubmitRequest) -> SubmitReply:
        """Store a new build. Raises Overloaded when the queue is full, Unavailable while draining."""
        return await self._intake.submit(request)

    async def preview(self, request: SubmitRequest) -> dict[str, Any]:
        """What a submit would do, without doing any of it."""
        return await self._intake.preview(request)

    async def approve(
        self,
        build_id: str,
        *,
        checkpoint: str | None,
        decision: str,
        feedback: str,
        gate_id: str | None,
        by: str = "",
    ) -> Build:
        """Decide at the open gate, else the review. A wrong or stale gate: Conflict; a repeat is answered.

        `by` names who decided, where that is known: the events say so.
        """
        said = Decision(decision)
        return await self._with_fresh(
            build_id,
            lambda build: self._decisions.decide(
                build, checkpoint, said, feedback=feedback, gate_id=gate_id, by=by
            ),
        )

    async def answer(self, build_id: str, answers: Mapping[str, str]) -> Build:
        """Answer the open questions and go on. Raises Invalid for unknown questions or options."""

        async def attempt(build: Build) -> Build:
            if build.state is not State.WAITING_INPUT or build.hold is None:
                raise Conflict(
                    f"Build {build.id} is {build.state} and has asked nothing.", code="NO_OPEN_QUESTION"
                )
            chosen = _checked_answers(build.hold["questions"], answers)
            now = self._live.now()
            # To go on is no advice to whoever builds; the event keeps that it was said.
            advice = {
                n: said for n, said in chosen.items() if n != "go_on" or said not in changes.GO_ON_OPTIONS
            }
            feedback = json.dumps(advice, ensure_ascii=False) if advice else ""
            saying = Saying("", "input", "answer", feedback)
            event = NewEvent("input_received", "A person answered.", {"answers": chosen})
            model = BuildModel(build)
            if chosen.get("go_on") == "stop":
                change = changes.ended(build, NewEvent("build_failed", "A person stopped the build."), now)
                change = Change({**change.updates, "error": _stopped(build)}, change.events, saying=saying)
                return await self._lifecycle.fire(model, Trigger.FAIL, change)
            return await self._lifecycle.fire(model, Trigger.ANSWER, changes.let_go_on(build, event, saying))

        return await self._with_fresh(build_id, attempt)

    async def top_up(self, build_id: str, usd: float) -> Build:
        """Raise the build's budget by `usd` dollars; without a budget: Conflict."""
        async with self._purse:
            return await self._with_fresh(
                build_id, lambda build: top_up(build, usd, self._scheduler, self._lifecycle)
            )

    async def cancel(self, build_id: str) -> Build:
        """Stop the build; whatever it has deployed is taken back first. Finished: Conflict."""

        async def attempt(build: Build) -> Build:
            if build.state in FINISHED:
                raise Conflict(
                    f"Build {build.id} is already {build.state}; there is nothing to cancel.",
                    hint=f"`fpai rollback {build.id}` withdraws its release."
                    if build.state is State.COMPLETE
                    else "",
                    code="ALREADY_FINISHED",
                    details={"status": build.state.value},
                )
            if build.state is State.WITHDRAWING:
                return build
            if self._scheduler.is_running(build.id):
                await self._scheduler.interrupt(build.id, self._cancel)
            else:
                await self._cancel(BuildModel(build))
            return await self._store.builds.get(build.id)

        return await self._with_fresh(build_id, attempt)

    async def retry(self, build_id: str, from_step: int | None) -> Build:
        """Queue the build again from a step, by default the one that it stands at."""

        async def attempt(build: Build) -> Build:
            step = step_to_resume(build, from_step)
            if not self._lifecycle.allows(build, Trigger.RETRY):
                raise Conflict(
                    f"Build {build.id} is {build.state}; only a build that failed, was stopped or waits can"
                    " be retried.",
                    code="WRONG_STATE",
                    details={"status": build.state.value},
                )
            event = NewEvent(
                "retry_requested", f"A person asked to go on from step {step}.", {"from_step": step}
            )
            change = changes.requeued(build, step, event)
            fresh = {"repairs": 0, "retries": 0, "retrying_since": None}
            facts = {**build.facts, "deadline_from": build.working_seconds}
            change = Change({**change.updates, **fresh, "facts": facts}, change.events)
            return await self._lifecycle.fire(BuildModel(build), Trigger.RETRY, change)

        return await self._with_fresh(build_id, attempt)

    async def rollback(self, build_id: str, to: str | None = None) -> Build:
        """Withdraw this build's release; the one before serves again, or `to`, a release or its build.

        Raises Conflict when there is nothing to withdraw, or no such release is kept.
        """

        async def attempt(build: Build) -> Build:
            if build.state in {State.ROLLED_BACK, State.WITHDRAWING}:
                return build
            if build.state not in {State.COMPLETE, State.FAILED} or not build.has_deployment:
                raise Conflict(
                    f"Build {build.id} is {build.state} and has no release that a rollback could withdraw.",
                    hint=f"`fpai cancel {build.id}` stops it." if build.state not in FINISHED else "",
                    code="WRONG_STATE",
                    details={"status": build.state.value},
                )
            back_to = await self._kept_release(build, to) if to else None
            why = f"A person asked for a rollback{f' to release {back_to}' if back_to else ''}."
            return await self._decisions.withdraw(build, why, None, back_to=back_to)

        return await self._with_fresh(build_id, attempt)

    async def _kept_release(self, build: Build, wanted: str) -> str:
        releases = await self._store.droplets.releases(build.droplet_id)
        kept = [row for row in releases if row.state != "withdrawn" and row.build_id != build.id]
        found = next((row for row in kept if wanted in {row.id, row.build_id}), None)
        live = next((row for row in releases if row.state == "live"), None)
        if live is not None and live.build_id != build.id:
            raise Conflict(
                f"Release {live.id} serves, not that of build {build.id}, so nothing was changed.",
                hint=f"`fpai rollback {live.build_id} --to {wanted}` withdraws the one that serves.",
                code="NOT_LIVE",
            )
        if build.state is not State.COMPLETE:
            raise Conflict(
                f"Build {build.id} is {build.state}; only a complete one gives way to a release of choice.",
                hint=f"`fpai rollback {build.id}` puts the newest earlier release back.",
                code="WRONG_STATE",
                details={"status": build.state.value},
            )
        if found is None:
            names = ", ".join(row.id for row in kept) or "none"
            raise Conflict(
                f"{wanted} names no earlier release of {build.droplet_name}; nothing was changed.",
                hint=f"Kept releases: {names}.",
                code="NO_SUCH_RELEASE",
                details={"releases": [row.id for row in kept]},
            )
        return found.id

    async def _with_fresh(self, build_id: str, attempt: Callable[[Build], Awaitable[Build]]) -> Build:
        """Decide on the newest view; when the build moved meanwhile, look again and decide anew."""
        for _ in range(_TRIES):
            build = await self._store.builds.get(build_id)
            try:
                return await attempt(build)
            except StaleView:
                self._store.builds.forget(build_id)
        raise Conflict(f"Build {build_id} is changing quickly; ask again.", code="BUSY")

    async def _cancel(self, model: BuildModel) -> None:
        build = model.build
        now = self._live.now()
        if build.state in FINISHED or build.state is State.WITHDRAWING:
            return
        if build.has_deployment:
            event = NewEvent("rollback_started", "Cancelled: what was deployed is taken back first.")
            change = changes.withdrawal_begun(build, event, now, State.CANCELLED)
        else:
            event = NewEvent("build_cancelled", f"Cancelled in step {build.step}, {build.step_name}.")
            change = changes.ended(build, event, now)
        await self._lifecycle.fire(model, Trigger.CANCEL, change)


def _checked_answers(questions: Sequence[Mapping[str, Any]], answers: Mapping[str, str]) -> dict[str, str]:
    known = {q["id"]: q for q in questions}
    problems = [
        {"loc": ["answers", name], "msg": "no such question"} for name in answers if name not in known
    ]
    chosen = {}
    for name, question in known.items():
        value = answers.get(name, question.get("default"))
        options = question.get("options")
        if value is None:
            problems.append({"loc": ["answers", name], "msg": "an answer is needed"})
        elif options and value not in options and not question.get("free_text"):
            problems.append({"loc": ["answers", name], "msg": f"one of {', '.join(options)}"})
        else:
            chosen[name] = value
    if problems:
        raise Invalid("These answers do not fit the questions.", details={"fields": problems})
    return chosen


def _stopped(build: Build) -> dict[str, Any]:
    reason = (build.hold or {}).get("reason", "")
    return {
        "code": "STOPPED",
        "message": f"A person stopped the build. {reason}",
        "hint": f"`fpai retry {build.id}` starts it again.",
        "step": build.step,
    }
