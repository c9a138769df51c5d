"""Moves one build: run the step, turn its outcome into one checkpoint, until nothing is left to run.

Recovery is this same loop: a build found in progress simply runs its current step again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from executor.domain.build import RUNNABLE, Build, State
from executor.domain.events import NewEvent
from executor.domain.gates import gate_after
from executor.domain.lifecycle import Trigger
from executor.domain.outcome import Ask, Done, Kept, Outcome, Repair
from executor.domain.retry import RetryPolicy
from executor.domain.step import Step, Withdrawal
from executor.engine import changes
from executor.engine.context import Context
from executor.engine.live import Live
from executor.engine.machine import MAX_REPAIRS, BuildModel, Lifecycle
from executor.errors import ExecutorError, Permanent, StaleView, Transient, Unavailable
from executor.store.store import Store

log = structlog.get_logger(__name__)
_DISK_PAUSE_SECONDS = 1.0
Interruption = Callable[[BuildModel], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of every build. `deadline` is working time in seconds."""

    deadline: float
    retry: RetryPolicy


class Handle:
    """A build that has its owner task; `interruption` is what the owner does once its step is stopped.

    `model` is what the owner fires its triggers on; an amendment fires on the same one, and so takes its turn
    with the step's checkpoints.
    """

    __slots__ = ("interruption", "model", "task")

    def __init__(self) -> None:
        self.model: BuildModel | None = None
        self.task: asyncio.Task[None] | None = None
        self.interruption: Interruption | None = None


class Runner:
    """Owns a build while it runs; the only one that fires its triggers then (design.md, rule 2)."""

    def __init__(
        self,
        *,
        lifecycle: Lifecycle,
        store: Store,
        live: Live,
        steps: Mapping[int, Step],
        withdrawal: Withdrawal,
        limits: Limits,
    ) -> None:
        self._lifecycle = lifecycle
        self._store = store
        self._live = live
        self._steps = steps
        self._withdrawal = withdrawal
        self._limits = limits

    async def drive(self, build_id: str, handle: Handle) -> None:
        """Run the build until it waits, ends or the daemon drains."""
        with structlog.contextvars.bound_contextvars(build_id=build_id):
            while True:
                try:
                    handle.model = BuildModel(await self._store.builds.get(build_id))
                    await self._advance(handle.model)
                    return
                except StaleView:
                    self._store.builds.forget(build_id)
                except Unavailable as error:
                    log.warning("paused", reason=error.message)
                    self._store.builds.forget(build_id)
                    await asyncio.sleep(_DISK_PAUSE_SECONDS)
                except asyncio.CancelledError:
                    if handle.interruption is None:
                        raise
                    interruption, handle.interruption = handle.interruption, None
                    drained = asyncio.current_task().uncancel() > 0  # type: ignore[union-attr]
                    handle.model = BuildModel(await self._store.builds.get(build_id))
                    await interruption(handle.model)
                    if drained:
                        raise

    async def _advance(self, model: BuildModel) -> None:
        if model.build.state is State.QUEUED:
            await self._lifecycle.fire(model, Trigger.START, changes.started(model.build, self._live.now()))
        while model.build.state in RUNNABLE:
            budget = model.build.budget_usd
            outcome = await self._run_step(model)
            if outcome is not None and not _was_met(outcome, budget, model.build):
                await self._apply(model, outcome)

    async def _run_step(self, model: BuildModel) -> Outcome | None:
        """Run the current step; errors are sorted here into waits and failures, which answer None."""
        build = model.build
        withdrawing = build.state is State.WITHDRAWING
        view = self._live.begin(build.id)
        context = Context(model, self._lifecycle, self._store, self._live, view)
        work: Step | Withdrawal = self._withdrawal if withdrawing else self._steps[build.step]
        worked = build.working_seconds - float(build.facts.get("deadline_from", 0.0))
        left = None if withdrawing else max(0.0, self._limits.deadline - worked)
        try:
            async with asyncio.timeout(left) as deadline:
                return await work.run(context)
        except (StaleView, Unavailable):
            raise
        except Exception as error:
            if _is_stopped():
                # It was on its way out: what its cleaning up ran into is no fault of the build.
                log.warning("step_stopped_untidily", step=build.step, reason=str(error))
                raise asyncio.CancelledError from error
            if deadline.expired():
                await self._ask_after_deadline(model)
            else:
                await self._sort(model, error)
        finally:
            self._live.end(build.id)
        return None

    async def _sort(self, model: BuildModel, error: Exception) -> None:
        """What may pass is waited for; everything else fails the build."""
        if isinstance(error, Transient):
            await self._wait_or_ask(model, error)
        elif isinstance(error, ExecutorError):
            await self._fail(model, error)
        else:
            log.error("step_crashed", step=model.build.step, exc_info=error)
            await self._fail(model, _unexpected(error, model.build))

    async def _apply(self, model: BuildModel, outcome: Outcome) -> None:
        now = self._live.now()
        build = model.build
        if isinstance(outcome, Kept):
            event = NewEvent("release_kept", outcome.message)
            change = changes.ended(build, event, now, withdraw_to=None)
            await self._lifecycle.fire(model, Trigger.KEEP, change)
        elif build.state is State.WITHDRAWING:
            event = NewEvent("release_withdrawn", getattr(outcome, "message", "The release is withdrawn."))
            facts = {**build.facts, **outcome.facts, "deploying": False}
            await self._lifecycle.fire(
                model, Trigger.WITHDRAWN, changes.ended(build, event, now, facts=facts, withdraw_to=None)
            )
        elif isinstance(outcome, Repair):
            await self._repair(model, outcome)
        elif isinstance(outcome, Ask):
            await self._lifecycle.fire(model, Trigger.ASK_INPUT, changes.input_asked(build, outcome, now))
        else:
            await self._step_done(model, outcome)

    async def _step_done(self, model: BuildModel, outcome: Done) -> None:
        now = self._live.now()
        build = model.build
        if build.step_started_at is not None:
            self._live.estimator.learn(build.step, max(0.0, now - build.step_started_at))
        gate = gate_after(build.approval_mode, build.step)
        if build.is_last_step:
            await self._lifecycle.fire(model, Trigger.FINISH, changes.finished(build, outcome, now))
        elif gate is not None:
            change = changes.gate_opened(build, outcome, gate, now)
            await self._lifecycle.fire(model, Trigger.ASK_APPROVAL, change)
        else:
            await self._lifecycle.fire(model, Trigger.COMPLETE_STEP, changes.step_done(build, outcome, now))

    async def _repair(self, model: BuildModel, outcome: Repair) -> None:
        now = self._live.now()
        if model.build.repairs < MAX_REPAIRS:
            change = changes.repair(model.build, outcome, now)
            await self._lifecycle.fire(model, Trigger.REPAIR, change)
            return
        reason = f"{outcome.reason} It was sent back {MAX_REPAIRS} times and is still at fault."
        question = changes.go_on_question(f"{reason} Build it once more, or stop here?")
        ask = Ask(reason, (question,), outcome.facts)
        change = changes.input_asked(model.build, ask, now)
        change = changes.with_artifacts(change, outcome.artifacts)
        await self._lifecycle.fire(model, Trigger.ASK_INPUT, change)

    async def _wait_or_ask(self, model: BuildModel, error: Transient) -> None:
        now = self._live.now()
        build = model.build
        waited = now - (build.retrying_since or now)
        wait = self._limits.retry.wait(
            build.retries,
            waited,
            retry_after=error.retry_after,
            spread=random.random(),  # noqa: S311
        )
        if wait is not None:
            change = changes.retry_awaited(build, error, wait, now)
            await self._lifecycle.fire(model, Trigger.WAIT_RETRY, change)
            if build.state is State.WITHDRAWING:
                await asyncio.sleep(wait)
        elif build.state is State.WITHDRAWING:
            await asyncio.sleep(self._limits.retry.longest)
        else:
            reason = f"{error.message} It has been tried {build.retries + 1} times."
            ask = Ask(reason, (changes.go_on_question(f"{reason} Try again, or stop?"),))
            await self._lifecycle.fire(model, Trigger.ASK_INPUT, changes.input_asked(build, ask, now))

    async def _ask_after_deadline(self, model: BuildModel) -> None:
        now = self._live.now()
        reason = f"The build has worked for {self._limits.deadline:.0f} s, its deadline ([builds] deadline)."
        ask = Ask(reason, (changes.go_on_question(f"{reason} Give it as long again, or stop?"),))
        await self._lifecycle.fire(model, Trigger.ASK_INPUT, changes.input_asked(model.build, ask, now))

    async def _fail(self, model: BuildModel, error: ExecutorError) -> None:
        now = self._live.now()
        if model.build.state is State.WITHDRAWING:
            await self._wait_or_ask(model, Transient(error.message, hint=error.hint))
            return
        await self._lifecycle.fire(model, Trigger.FAIL, changes.failed(model.build, error, now))


def _is_stopped() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _was_met(outcome: Outcome, budget: float | None, build: Build) -> bool:
    """True when the step stopped for want of a budget that was raised while it ran: it runs again."""
    return isinstance(outcome, Ask) and outcome.needs == "budget" and build.budget_usd != budget


def _unexpected(error: Exception, build: Build) -> Permanent:
    return Permanent(
        f"The executor itself failed in step {build.step}, {build.step_name}:"
        f" {type(error).__name__}: {error}.",
        hint="Nothing that was finished is lost. The daemon's log has the details; try `fpai retry`.",
        code="INTERNAL_ERROR",
    )
