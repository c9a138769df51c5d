"""Tells a Dashboard how builds go: events at its contract's POST /message (ecosystem.md 4)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from executor.adapters.messenger import Messenger


class Dashboard:
    """`messenger` should have a time limit of a few seconds: a view is worth no longer wait."""

    def __init__(
        self,
        messenger: Messenger,
        base_url: str,
        *,
        service: str = "executor",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._messenger = messenger
        self._address = f"{base_url.rstrip('/')}/message"
        self._service = service
        self._clock = clock

    async def show(self, event: Mapping[str, Any]) -> None:
        """Send one event. Raises Transient while nobody answers, Permanent when it is not wanted."""
        message = {
            "trace_id": str(uuid.uuid4()),
            "from_service": self._service,
            "source": self._service,
            "target": "dashboard",
            "message_type": "event",
            "payload": dict(event),
            "timestamp": datetime.fromtimestamp(self._clock(), UTC).isoformat(),
        }
        await self._messenger.post(self._address, message)
