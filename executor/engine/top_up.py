"""More dollars for a build: its step goes on untouched, and one that stopped for want of them goes on."""

from __future__ import annotations

from executor.domain.build import Build, State
from executor.domain.events import NewEvent
from executor.domain.lifecycle import Trigger
from executor.engine import changes
from executor.engine.machine import BuildModel, Change, Lifecycle
from executor.engine.scheduler import Scheduler
from executor.errors import Conflict
from executor.store.builds import Saying

NEEDS_BUDGET = "budget"


async def top_up(build: Build, usd: float, scheduler: Scheduler, lifecycle: Lifecycle) -> Build:
    """Raise the budget by `usd` dollars. A running step is not interrupted: a paid reply may be under way.

    Raises Conflict with code NO_BUDGET when the build has no limit, StaleView as `Lifecycle.fire`.
    """
    if not build.budget_usd:
        raise _nothing_to_raise(build)
    model = scheduler.model_of(build.id) or BuildModel(build)
    change = _raised(model.build, usd)
    if not _waits_for_it(model.build):
        await lifecycle.fire(model, Trigger.AMEND, change)
        if not _waits_for_it(model.build):
            return model.build
        # It stopped for want of a budget while the amendment waited for its turn.
        change = Change(events=(NewEvent("input_received", "The budget was raised; the build goes on."),))
    return await lifecycle.fire(model, Trigger.ANSWER, _going_on(model.build, change))


def _raised(build: Build, usd: float) -> Change:
    budget = round((build.budget_usd or 0.0) + usd, 6)
    event = NewEvent("budget_raised", f"The budget is now ${budget:.2f}.", {"budget_usd": budget, "usd": usd})
    return Change({"budget_usd": budget}, (event,))


def _waits_for_it(build: Build) -> bool:
    return build.state is State.WAITING_INPUT and (build.hold or {}).get("needs") == NEEDS_BUDGET


def _going_on(build: Build, change: Change) -> Change:
    """The top-up is the answer; no advice to whoever builds comes with it."""
    queued = changes.let_go_on(build, change.events[0], Saying("", "input", "answer", ""))
    return Change({**queued.updates, **change.updates}, queued.events, saying=queued.saying)


def _nothing_to_raise(build: Build) -> Conflict:
    return Conflict(
        f"Build {build.id} has no budget: nothing limits its dollars, so there is none to raise.",
        hint='A limit is set with `fpai build "…" --budget 5` or [builds] budget_usd.',
        code="NO_BUDGET",
    )
