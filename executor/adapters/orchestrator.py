"""Orchestrator 1.1 of the core services: it sends orders to POST /message and is told that we live.

It has no heartbeat route (ecosystem.md 3.1); the nearest is a message of type `status`, where `target` is
required.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import aiohttp

from executor.adapters.http import JsonService

CAPABILITIES = ("build", "build-droplet")
"""What a task may require of this droplet."""


@dataclass(frozen=True, slots=True)
class Self:
    """What the executor says of itself; `endpoint` is its address without a trailing slash."""

    droplet_id: int
    endpoint: str
    name: str = "executor"
    capabilities: tuple[str, ...] = CAPABILITIES


class Hears(Protocol):
    """An orchestrator that wants to hear regularly that this executor lives."""

    async def heartbeat(self, status: str, metrics: Mapping[str, Any]) -> None:
        """Say `active`, `inactive` or `error`. Raises Transient without an answer, Permanent if refused."""
        ...


class CoreOrchestrator:
    """The core service. The session is passed in and closed by whoever made it."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        own: Self,
        *,
        token: str | None = None,
        clock: Callable[[], float] = time.time,
        timeout: float = 10.0,
    ) -> None:
        self._service = JsonService(
            session, base_url, name="Orchestrator", setting="[orchestrator] url", token=token, timeout=timeout
        )
        self._own = own
        self._clock = clock

    async def heartbeat(self, status: str, metrics: Mapping[str, Any]) -> None:
        """Send a status message."""
        own = self._own
        payload = {
            "status": status,
            "droplet_id": own.droplet_id,
            "name": own.name,
            "endpoint": own.endpoint,
            "metrics": dict(metrics),
        }
        message = {
            "trace_id": str(uuid.uuid4()),
            "source": own.name,
            "target": "orchestrator",
            "message_type": "status",
            "payload": payload,
            "timestamp": datetime.fromtimestamp(self._clock(), UTC).isoformat(),
        }
        await self._service.call("POST", "/orchestrator/message", message, accept=(200, 201, 202))
