"""How an ordered build ended, in the words of whoever ordered it (ecosystem.md 1.1, 1.3, 3.2)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from executor.domain.build import Build, State
from executor.domain.events import iso
from executor.store.orders import Ended, Order
from executor.store.outbox import Outgoing

REPLY, TASK = "reply", "task"
SERVICE = "executor"


def status_word(state: State) -> str:
    """The API's word for a state: a withdrawal is work in progress."""
    return State.IN_PROGRESS.value if state is State.WITHDRAWING else state.value


class Reports:
    """Makes the outbox row of an end. `base_url` is the daemon's address, without a trailing slash."""

    def __init__(self, base_url: str, own_id: int) -> None:
        self._base_url = base_url
        self._own_id = own_id

    def of(self, ended: Ended, build: Build) -> Outgoing:
        """The report; its id is made of the build and of its end, so making it again changes nothing."""
        order = ended.order
        report_id = f"{order.kind}-{build.id}-{round(ended.finished_at * 1000)}"
        facts = {"message_id": report_id, **self._facts(build)}
        body = self._task(build, facts) if order.kind == TASK else self._message(order, build, facts)
        return Outgoing(report_id, order.kind, build.id, order.address, body, ended.finished_at)

    def _facts(self, build: Build) -> dict[str, Any]:
        facts, address = build.facts, f"{self._base_url}/executor/builds/{build.id}"
        finished = build.finished_at or build.updated_at
        return {
            "build_id": build.id,
            "status": status_word(build.state),
            "droplet_id": build.droplet_id,
            "droplet_name": build.droplet_name,
            "deployment_url": facts.get("deployment_url"),
            "repository_url": facts.get("repository_url"),
            "release": facts.get("release"),
            "commit": facts.get("commit"),
            "cost_usd": facts.get("cost_usd", 0.0),
            "duration_seconds": round(finished - build.created_at, 1),
            "finished_at": iso(finished),
            "error": dict(build.error) if build.error else None,
            "status_url": f"{address}/status",
            "report_url": f"{address}/report",
        }

    def _message(self, order: Order, build: Build, facts: dict[str, Any]) -> Mapping[str, Any]:
        form, now = order.form, facts["finished_at"]
        sender, variant = form.get("sender"), form.get("variant")
        trace_id = form.get("trace_id") or str(uuid.uuid5(uuid.NAMESPACE_URL, facts["message_id"]))
        if variant == "a":
            return {"from_service": SERVICE, "message_type": "status_update", "payload": facts}
        common = {"trace_id": trace_id, "target": sender, "payload": facts, "timestamp": now}
        if variant == "b":
            return {**common, "source": SERVICE, "message_type": "status"}
        source = self._own_id if isinstance(sender, int) else f"droplet-{self._own_id}"
        return {**common, "udc_version": "1.0", "source": source, "message_type": "response"}

    def _task(self, build: Build, facts: dict[str, Any]) -> Mapping[str, Any]:
        if build.state is State.COMPLETE:
            return {"status": "completed", "result": facts}
        said = build.error.get("message", "") if build.error else ""
        message = said or f"The build ended {status_word(build.state)}."
        return {"status": "failed", "result": facts, "error_message": message}
