"""The registry's list as last seen, so that a submit never waits for the registry."""

from __future__ import annotations

import asyncio

import structlog

from executor.adapters.registry_entry import KnownDroplet, Registry
from executor.errors import ExecutorError

log = structlog.get_logger(__name__)


class RegistryCache:
    """`status` is connected or unavailable, as of the last look."""

    def __init__(self, registry: Registry, interval: float = 30.0) -> None:
        self._registry = registry
        self._interval = interval
        self.entries: list[KnownDroplet] = []
        self.status = "unavailable"
        self._said = ""

    async def run(self) -> None:
        """Refresh each `interval` seconds until cancelled; a registry that is away keeps its last list."""
        while True:
            await self.refresh()
            await asyncio.sleep(self._interval)

    async def refresh(self) -> None:
        """Ask once. An outage is logged when it begins, and when its reason changes."""
        try:
            self.entries = list(await self._registry.known())
        except ExecutorError as error:
            if self._said != error.message:
                log.warning("registry_away", reason=error.message)
            self.status, self._said = "unavailable", error.message
        else:
            self.status, self._said = "connected", ""
