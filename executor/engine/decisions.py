"""Decisions: what a person says at a gate or at the review, checked against what is open."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from executor.domain.build import Build, State
from executor.domain.events import NewEvent, iso
from executor.domain.gates import REVISE_TO, Checkpoint, Decision
from executor.domain.lifecycle import Trigger
from executor.engine import changes
from executor.engine.live import Live
from executor.engine.machine import BuildModel, Change, Lifecycle
from executor.engine.requests import SubmitReply, SubmitRequest
from executor.engine.resuming import UNAPPROVED
from executor.errors import Conflict
from executor.store.builds import Saying
from executor.store.store import Store

Submit = Callable[[SubmitRequest], Awaitable[SubmitReply]]


class Decisions:
    """Approve, reject and revise. A decision names the gate that its author saw; a stale one is refused."""

    def __init__(
        self, store: Store, live: Live, lifecycle: Lifecycle, *, has_model: bool, submit: Submit
    ) -> None:
        self._store = store
        self._live = live
        self._lifecycle = lifecycle
        self._has_model = has_model
        self._submit = submit

    async def decide(
        self,
        build: Build,
        checkpoint: str | None,
        said: Decision,
        *,
        feedback: str,
        gate_id: str | None,
        by: str = "",
    ) -> Build:
        """Apply one decision to the newest view of a build. Raises Conflict, StaleView."""
        if await self._is_repeat(build, checkpoint, said, gate_id):
            return build
        if build.state is State.WAITING_APPROVAL and checkpoint != Checkpoint.DEPLOYED:
            return await self._decide_gate(build, checkpoint, said, feedback=feedback, gate_id=gate_id, by=by)
        if build.review is not None and checkpoint in {None, Checkpoint.DEPLOYED}:
            return await self._decide_review(build, said, feedback, gate_id=gate_id, by=by)
        raise Conflict(
            f"Build {build.id} is {build.state} and waits for no decision"
            + (f" at {checkpoint}." if checkpoint else "."),
            hint=f"See `fpai status {build.id}`.",
            code="NO_OPEN_GATE",
            details={"status": build.state.value},
        )

    async def _is_repeat(
        self, build: Build, checkpoint: str | None, said: Decision, gate_id: str | None
    ) -> bool:
        """True if just this was decided before: the same gate named, or the last thing said to this build."""
        if build.state is State.WAITING_APPROVAL and gate_id is None and checkpoint is None:
            return False
        opened = (build.hold or {}).get("checkpoint") if build.state is State.WAITING_APPROVAL else None
        sayings = [s for s in await self._store.builds.sayings(build.id) if s.gate_id]
        if gate_id is not None:
            return any(s.gate_id == gate_id and s.decision == said for s in sayings)
        if checkpoint is not None and checkpoint != opened:
            matching = [s for s in sayings if s.checkpoint == checkpoint]
            return bool(matching) and matching[-1].decision == said
        review_pending = (build.review or {}).get("decision") == "pending"
        return checkpoint is None and not review_pending and bool(sayings) and sayings[-1].decision == said

    async def _decide_gate(
        self,
        build: Build,
        checkpoint: str | None,
        said: Decision,
        *,
        feedback: str,
        gate_id: str | None,
        by: str,
    ) -> Build:
        hold = build.hold or {}
        _same_gate(build, checkpoint, gate_id, hold)
        gate = Checkpoint(hold["checkpoint"])
        saying = Saying(hold["gate_id"], gate, said, feedback)
        data = {"checkpoint": gate, "gate_id": hold["gate_id"], "feedback": feedback, **_named(by)}
        model = BuildModel(build)
        if said is Decision.APPROVE:
            event = NewEvent("approved", f"Approved at {gate}.", data)
            change = changes.requeued(build, build.step, event, saying)
            facts = {**build.facts, UNAPPROVED: None}
            change = Change({**change.updates, "facts": facts}, change.events, saying=saying)
            return await self._lifecycle.fire(model, Trigger.APPROVE, change)
        if said is Decision.REJECT:
            event = NewEvent("build_rejected", f"Rejected at {gate}.", data)
            now = self._live.now()
            change = (
                changes.withdrawal_begun(build, event, now, State.REJECTED)
                if build.has_deployment
                else changes.ended(build, event, now)
            )
            change = Change(change.updates, change.events, saying=saying)
            return await self._lifecycle.fire(model, Trigger.REJECT, change)
        self._require_model()
        event = NewEvent("revision_requested", f"Sent back at {gate}: {feedback}", data)
        change = changes.requeued(build, REVISE_TO[gate], event, saying)
        return await self._lifecycle.fire(model, Trigger.REVISE, change)

    async def _decide_review(
        self, build: Build, said: Decision, feedback: str, *, gate_id: str | None, by: str
    ) -> Build:
        review = dict(build.review or {})
        _same_gate(build, Checkpoint.DEPLOYED, gate_id, review)
        if said is Decision.REVISE:
            self._require_model()
        if review["decision"] == "approved" and said is Decision.APPROVE and build.state is State.COMPLETE:
            return build
        if review["decision"] != "pending" or build.state is not State.COMPLETE:
            raise Conflict(
                f"The review of {build.id} is closed: the build is {build.state} and the review was"
                f" {review['decision']}.",
                hint=f"`fpai rollback {build.id}` withdraws the release."
                if build.state is State.COMPLETE
                else "",
                code="STALE_GATE",
                details={"decision": review["decision"]},
            )
        saying = Saying(review["gate_id"], Checkpoint.DEPLOYED, said, feedback)
        review |= {"decided_at": iso(self._live.now()), "feedback": feedback}
        if said is Decision.REJECT:
            return await self.withdraw(build, "Rejected at the review.", saying, by=by)
        if said is Decision.REVISE:
            return await self._rebuild(build, review, saying, by)
        event = NewEvent("review_approved", "The result is accepted.", {"feedback": feedback, **_named(by)})
        change = Change({"review": {**review, "decision": "approved"}}, (event,), saying=saying)
        return await self._lifecycle.fire(BuildModel(build), Trigger.REVIEW, change)

    async def _rebuild(self, build: Build, review: Mapping[str, Any], saying: Saying, by: str) -> Build:
        """A new build of this droplet with the feedback; one for each review, however often it is asked."""
        request = SubmitRequest(
            intent=f"{build.intent}\n\nRevision of release {build.facts.get('release')}: {saying.feedback}",
            droplet_id=build.droplet_id,
            droplet_name=build.droplet_name,
            approval_mode=build.approval_mode,
            notify_channels=build.notify_channels,
            auto_approve=build.auto_approve,
            budget_usd=build.budget_usd,
            target=build.target,
            idempotency_key=f"revise/{saying.gate_id}",
            body_digest=hashlib.sha256(saying.feedback.encode()).hexdigest(),
            request_id=build.request_id,
        )
        successor = (await self._submit(request)).build.id
        data = {"build_id": successor, "feedback": saying.feedback, **_named(by)}
        event = NewEvent("revision_requested", f"Revised by {successor}.", data)
        revised = {**review, "decision": "revised", "revision": successor}
        change = Change({"review": revised}, (event,), saying=saying)
        return await self._lifecycle.fire(BuildModel(build), Trigger.REVIEW, change)

    async def withdraw(
        self, build: Build, why: str, saying: Saying | None, *, back_to: str | None = None, by: str = ""
    ) -> Build:
        """Begin to take the build's release back; `saying` is the decision that asked for it, if one did.

        `back_to` is the release that is to serve again; without it the newest earlier one does.
        """
        review = {**(build.review or {}), "decision": "rejected", "decided_at": iso(self._live.now())}
        event = NewEvent("rollback_started", why, _named(by))
        change = changes.withdrawal_begun(
            build,
            event,
            self._live.now(),
            State.ROLLED_BACK,
            review=review if saying else build.review,
            facts={**build.facts, "roll_back_to": back_to},
        )
        change = Change(change.updates, change.events, saying=saying)
        return await self._lifecycle.fire(BuildModel(build), Trigger.WITHDRAW, change)

    def _require_model(self) -> None:
        if not self._has_model:
            raise Conflict(
                "A revision needs a model to understand it, and this daemon builds with the scaffold.",
                hint="Set ANTHROPIC_API_KEY or [model] base_url; or approve, reject, or submit a new intent.",
                code="NEEDS_MODEL",
                details={"setting": "model.provider"},
            )


def _named(by: str) -> dict[str, str]:
    return {"by": by} if by else {}


def _same_gate(
    build: Build, checkpoint: str | None, gate_id: str | None, open_gate: Mapping[str, Any]
) -> None:
    named = {"checkpoint": checkpoint, "gate_id": gate_id}
    for key, value in named.items():
        if value is not None and value != open_gate.get(key):
            raise Conflict(
                f"Build {build.id} waits at {open_gate.get('checkpoint')}, not at {value}.",
                hint=f"Look at it again: `fpai status {build.id}`.",
                code="STALE_GATE",
                details={"checkpoint": open_gate.get("checkpoint"), "gate_id": open_gate.get("gate_id")},
            )
