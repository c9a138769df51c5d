"""Intake: a submit becomes a stored build, or a preview of one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any

from executor.domain.build import STEP_NAMES, ApprovalMode, Build
from executor.domain.droplet import DropletIdentity
from executor.domain.events import Event, NewEvent
from executor.engine.bus import Bus
from executor.engine.identity import Asked, Chosen, Known, build_id_for, choose
from executor.engine.live import Live
from executor.engine.machine import Lifecycle
from executor.engine.requests import SubmitReply, SubmitRequest
from executor.engine.scheduler import Scheduler
from executor.errors import Conflict, Invalid, Overloaded, Unavailable
from executor.store.store import Store
from executor.store.submissions import Submitted, View

_BY_RULE = (
    "This SPEC is written by rule, for nothing is spent on a plan; the build's own is written by the model."
)
Preview = Callable[[str, DropletIdentity], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a submit that says nothing gets, and what the daemon can do.

    `targets` are the words that a submit may name.
    `budget_usd` is None where no limit is set; `unpriced_model` names a model whose price is not known,
    and `model_refusal` says why the model cannot be used, if it cannot. `missing_for` says of each channel
    that a submit may name what it lacks to be told anything.
    """

    own_id: int
    approval_mode: str
    target: str
    max_queued: int
    has_model: bool
    port: int
    budget_usd: float | None = None
    unpriced_model: str = ""
    model_refusal: Callable[[], str] = str
    targets: tuple[str, ...] = ("process",)
    missing_for: Mapping[str, str] = field(default_factory=dict)


class Intake:
    """Takes submits. The identity decision is made inside the transaction that stores the build.

    `noted` is told of each stored build, as the lifecycle's `on_commit` is of each checkpoint; left out, the
    scheduler alone.
    """

    def __init__(
        self,
        *,
        store: Store,
        bus: Bus,
        live: Live,
        lifecycle: Lifecycle,
        scheduler: Scheduler,
        defaults: Defaults,
        registered: Callable[[], Sequence[Known]],
        preview: Preview,
        noted: Callable[[Build], None] | None = None,
    ) -> None:
        self._store = store
        self._bus = bus
        self._live = live
        self._lifecycle = lifecycle
        self._noted = noted or scheduler.note
        self._defaults = defaults
        self._registered = registered
        self._preview = preview

    async def submit(self, request: SubmitRequest) -> SubmitReply:
        """Store a new build. Raises Overloaded when the queue is full, Unavailable while draining."""
        if self._live.draining:
            raise Unavailable("The daemon is stopping; nothing was started.", hint="Ask again in a moment.")
        now = self._live.now()
        submitted = await self._store.submissions.submit(
            lambda view: self._decide(request, view, now),
            self._submitted,
            key=request.idempotency_key,
            key_seconds=request.key_seconds,
            digest=request.body_digest,
            order=request.order,
            now=now,
        )
        kept = json.loads(submitted.reply)
        return SubmitReply(
            submitted.build, kept["estimated_completion"], tuple(kept["warnings"]), submitted.replayed
        )

    async def preview(self, request: SubmitRequest) -> dict[str, Any]:
        """What a submit would do, without doing any of it. Raises Invalid for a channel that is not known."""
        self._refuse_unknown_channel(request)
        views: list[Chosen] = []
        numbers: list[int] = []
        day = datetime.fromtimestamp(self._live.now(), UTC).date()

        def look(view: View) -> None:
            views.append(self._choose(request, view))
            numbers.append(view.number_for(build_id_for(views[-1], day, 0)[:-3]))

        await self._store.submissions.look(look)
        chosen = views[-1]
        identity = DropletIdentity(chosen.id, chosen.name, "0.1.0", request.intent, self._defaults.port)
        steps = [
            {"step": n, "name": name, "expected_seconds": round(self._live.estimator.expected(n), 1)}
            for n, name in enumerate(STEP_NAMES, 1)
        ]
        spec = await asyncio.to_thread(self._preview, request.intent, identity)
        return {
            "build_id": build_id_for(chosen, day, numbers[-1]),
            "droplet_id": chosen.id,
            "droplet_name": chosen.name,
            "steps": steps,
            "estimated_seconds": round(sum(float(str(s["expected_seconds"])) for s in steps), 1),
            "estimated_cost_usd": await self._expected_cost() if self._defaults.has_model else 0.0,
            "warnings": [*chosen.warnings, *((_BY_RULE,) if self._defaults.has_model else ())],
            **spec,
        }

    async def _expected_cost(self) -> float | None:
        """Dollars of the median build that a model completed, None before the first."""
        rows = await self._store.database.fetch(
            "SELECT json_extract(facts, '$.cost_usd') AS usd FROM builds WHERE state = 'complete'"
            " AND json_extract(facts, '$.turns') > 0 ORDER BY created_at DESC LIMIT 20"
        )
        return round(median(float(row["usd"]) for row in rows), 4) if rows else None

    def _decide(self, request: SubmitRequest, view: View, now: float) -> tuple[Build, tuple[Event, ...], str]:
        """Runs inside the submit transaction."""
        if view.queued >= self._defaults.max_queued:
            raise Overloaded(
                f"{view.queued} builds are waiting for a slot already; this one was not taken.",
                hint="Ask again later, or raise [builds] max_queued.",
            )
        self._refuse_unpriced(request)
        self._refuse_unknown_target(request)
        self._refuse_unknown_channel(request)
        self._refuse_without_model()
        chosen = self._choose(request, view)
        day = datetime.fromtimestamp(now, UTC).date()
        number = view.number_for(build_id_for(chosen, day, 0)[:-3])
        build = Build(
            id=build_id_for(chosen, day, number),
            intent=request.intent,
            droplet_id=chosen.id,
            droplet_name=chosen.name,
            approval_mode=ApprovalMode(request.approval_mode or self._mode_for(request)),
            target=request.target or self._defaults.target,
            created_at=now,
            updated_at=now,
            auto_approve=request.auto_approve,
            chosen_id=chosen.chosen_id,
            notify_channels=request.notify_channels,
            budget_usd=request.budget_usd or self._defaults.budget_usd,
            request_id=request.request_id,
            version=1,
            last_seq=1,
            warnings=(*chosen.warnings, *self._channel_warnings(request.notify_channels)),
        )
        accepted = NewEvent(
            "build_queued",
            f"Intent received for droplet {chosen.id}, {chosen.name}.",
            {"intent": request.intent},
        )
        events = self._lifecycle.events_for(build, (accepted,), 1)
        reply = {
            "estimated_completion": now + self._live.estimator.remaining(build, now),
            "warnings": list(build.warnings),
        }
        return build, events, json.dumps(reply)

    def _refuse_unpriced(self, request: SubmitRequest) -> None:
        model = self._defaults.unpriced_model
        if request.budget_usd and model:
            raise Invalid(
                f"A budget in dollars cannot be kept: the price of {model} is not known.",
                hint=f"Add [model.prices.{model}] to executor.toml, or leave budget_usd out.",
                details={"fields": [{"loc": ["budget_usd"], "msg": f"no price for {model}"}]},
            )

    def _refuse_unknown_target(self, request: SubmitRequest) -> None:
        if request.target and request.target not in self._defaults.targets:
            known = ", ".join(self._defaults.targets)
            raise Invalid(
                f"There is no target {request.target} in this daemon's configuration; nothing was started.",
                hint=f"Known are {known}; [deploy.hosts.NAME] in executor.toml adds docker:NAME.",
                details={"fields": [{"loc": ["target"], "msg": f"one of {known} is expected"}]},
            )

    def _refuse_unknown_channel(self, request: SubmitRequest) -> None:
        known = self._defaults.missing_for
        unknown = [name for name in request.notify_channels if name not in known]
        if unknown:
            message = f"no such channel: {unknown[0][:40]!r}; known are {', '.join(known)}"
            raise Invalid(
                f"There is no channel {unknown[0][:40]!r}; nothing was started.",
                hint="[notify.NAME] in executor.toml adds one.",
                details={"fields": [{"loc": ["notify_channels"], "msg": message}]},
            )

    def _channel_warnings(self, channels: tuple[str, ...]) -> tuple[str, ...]:
        missing = ((name, self._defaults.missing_for[name]) for name in channels)
        return tuple(
            f"The channel {name} is not configured: nothing is sent there, status and report have the result."
            f" It needs {lacks}."
            for name, lacks in missing
            if lacks
        )

    def _refuse_without_model(self) -> None:
        if refusal := self._defaults.model_refusal():
            raise Conflict(
                f"{refusal} Nothing was started.",
                hint="Set [model] model to one that is served and restart the daemon.",
                code="MODEL_RETIRED",
            )

    def _mode_for(self, request: SubmitRequest) -> str:
        return ApprovalMode.AUTO if request.auto_approve else self._defaults.approval_mode

    def _choose(self, request: SubmitRequest, view: View) -> Chosen:
        asked = Asked(request.intent, request.droplet_id, request.droplet_name, view.last_intent)
        ours = [Known(d.id, d.name, ours=True) for d in view.droplets]
        own = {d.id for d in ours}
        elsewhere = [d for d in self._registered() if d.id not in own]
        return choose(asked, [*elsewhere, *ours], self._defaults.own_id)

    def _submitted(self, submitted: Submitted) -> None:
        if not submitted.replayed:
            self._store.builds.remember(submitted.build)
            self._noted(submitted.build)
            self._bus.publish(submitted.events)
