"""The registry's list as last seen, so that a submit never waits for the registry."""

from __future__ import annotations

import asyncio

import structlog

from executor.adapters.registry import KnownDroplet, Registry
from executor.errors import ExecutorError

log = structlog.get_logger(__name__)


class RegistryCache:
    """Refreshed each `interval` seconds; `status` is connected or unavailable."""

    def __init__(self, registry: Registry, interval: float = 30.0) -> None:
        self._registry = registry
        self._interval = interval
        self.entries: list[KnownDroplet] = []
        self.status = "unavailable"

    async def run(self) -> None:
        """Refresh until cancelled; a registry that is away keeps its last list."""
        while True:
            await self.refresh()
            await asyncio.sleep(self._interval)

    async def refresh(self) -> None:
        """Ask once."""
        try:
            self.entries = list(await self._registry.known())
        except ExecutorError as error:
            if self.status == "connected":
                log.warning("registry_away", reason=error.message)
            self.status = "unavailable"
        else:
            self.status = "connected"
