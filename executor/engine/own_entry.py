"""The executor's own entry in the registry: written at start, kept alive, inactive once it drains (U13)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from executor.adapters.orchestrator import CAPABILITIES
from executor.adapters.registry_choice import out_of_reach
from executor.adapters.registry_entry import KnownDroplet, Load, Registry, RegistryEntry
from executor.errors import Conflict, ExecutorError

log = structlog.get_logger(__name__)
OWN_NAME = "executor"


class OwnEntry:
    """Kept each `interval` seconds; a registry with heartbeats gets one each `heartbeat` seconds.

    `registry` has to carry a mark of its own, so that no build takes the entry for one of its droplets.
    `condition` answers active, inactive or error. `warning` says why others do not find this executor,
    empty if they do; it is logged when it changes and never ends anything.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        droplet_id: int,
        base_url: str,
        version: str,
        condition: Callable[[], str],
        load: Callable[[], Load],
        heartbeat: float = 60.0,
        interval: float = 30.0,
        leaving: float = 2.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        told = {"version": version, "capabilities": list(CAPABILITIES), "udc_version": "1.0"}
        self._entry = RegistryEntry(droplet_id, OWN_NAME, base_url.rstrip("/"), "", "", told)
        self._condition = condition
        self._load = load
        self._heartbeat = heartbeat
        self._interval = min(interval, heartbeat)
        self._leaving = leaving
        self._monotonic = monotonic
        self._beaten: float | None = None
        self._listed = False
        self._turn = asyncio.Lock()
        self.warning = ""

    async def run(self) -> None:
        """Keep the entry until cancelled."""
        while True:
            await self.keep()
            await asyncio.sleep(self._interval)

    async def keep(self) -> None:
        """Compare the entry with what it should be, once. Never raises."""
        warning = ""
        try:
            if not (warning := self._address_warning()):
                async with self._turn:
                    await self._kept()
        except Conflict as taken:
            self._listed = False
            warning = (
                f"{taken.message} Others do not find this executor there. Set [server] droplet_id to a free"
                " number, or remove the other entry."
            )
        except ExecutorError as error:
            warning = error.message
        except Exception:  # whatever it is, the next round tries again
            log.exception("own_entry_failed")
            return
        if warning and warning != self.warning:
            log.warning("executor_not_registered", reason=warning)
        self.warning = warning

    async def leave(self) -> None:
        """Tell the registry that this executor drains; an answer is awaited for `leaving` seconds."""
        try:
            async with asyncio.timeout(self._leaving), self._turn:
                if not self._listed:
                    return
                await self._registry.set_status(self._entry.id, self._entry.name, "inactive")
        except (ExecutorError, TimeoutError) as error:
            log.warning("executor_still_listed", reason=str(error) or "the registry did not answer in time")

    def _address_warning(self) -> str:
        ways, url = self._registry.ways, self._entry.endpoint
        if not out_of_reach(url, ways.url):
            return ""
        return (
            f"This executor is not in {ways.title} at {ways.url}: its own address {url} means another machine"
            " there. Set [server] public_url to the address by which others reach it."
        )

    async def _kept(self) -> None:
        found = await self._found()
        if found is None or not self._registry.stands(found, self._entry):
            await self._registry.register(self._entry)
            found = await self._found()
        if found is None:
            return
        self._listed = True
        status = self._condition()
        if found.status != status:
            await self._registry.set_status(found.id, found.name, status)
        if self._registry.ways.beats and status != "inactive" and self._is_due():
            await self._beat(found)

    async def _found(self) -> KnownDroplet | None:
        held = [entry for entry in await self._registry.known() if entry.id == self._entry.id]
        return next((entry for entry in held if entry.ours), None)

    def _is_due(self) -> bool:
        waited = self._heartbeat if self._beaten is None else self._monotonic() - self._beaten
        return waited >= self._heartbeat - self._interval / 2

    async def _beat(self, found: KnownDroplet) -> None:
        load = await asyncio.to_thread(self._load)
        if await self._registry.heartbeat(found, load):
            self._beaten = self._monotonic()
