"""Tells an orchestrator regularly that this executor lives and how it fares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from executor.errors import ExecutorError

log = structlog.get_logger(__name__)


class Hears(Protocol):
    """Whoever wants to hear."""

    async def heartbeat(self, status: str, metrics: Mapping[str, Any]) -> None:
        """Say `active`, `inactive` or `error`."""
        ...


class OrchestratorHeartbeat:
    """Beats each `interval` seconds (the contract's is 60, dead after 90 to 180; ecosystem.md, U14).

    `condition` answers active, inactive or error; `metrics` are a few numbers beside it. `status` is what the
    last beat showed of the orchestrator: connected or unavailable.
    """

    def __init__(
        self,
        orchestrator: Hears,
        condition: Callable[[], str],
        metrics: Callable[[], Mapping[str, Any]] = dict,
        interval: float = 60.0,
    ) -> None:
        self._orchestrator = orchestrator
        self._condition = condition
        self._metrics = metrics
        self._interval = interval
        self.status = "unavailable"
        self._said = ""

    async def run(self) -> None:
        """Beat until cancelled; an orchestrator that is away is told again with the next beat."""
        while True:
            await self.beat()
            await asyncio.sleep(self._interval)

    async def beat(self) -> None:
        """Beat once."""
        try:
            await self._orchestrator.heartbeat(self._condition(), self._metrics())
        except ExecutorError as error:
            if str(error) != self._said:
                log.warning("orchestrator_away", reason=str(error))
            self.status, self._said = "unavailable", str(error)
        except Exception:  # the heart must not stop
            self.status = "unavailable"
            log.exception("heartbeat_failed")
        else:
            self.status, self._said = "connected", ""
