"""Bringing a swarm's service to a release, waiting for what comes of it, and bringing the earlier back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from executor.adapters.docker_swarm import Swarm
from executor.adapters.docker_swarm_argv import ServiceSpec
from executor.adapters.docker_swarm_state import Service, Task
from executor.errors import ExecutorError, ReleaseAtFault, Transient
from executor.targets.swarm_names import RELEASE
from executor.targets.swarm_verdict import GIVEN_UP, Verdict, ending, judged

log = structlog.get_logger(__name__)
_LOG_LINES = 60
_LOGS_OF = 2
_BUSY = frozenset({"updating", "rollback_started"})


@dataclass(frozen=True, slots=True)
class Rollout:
    """`deadline` is how many seconds one task may take to be replaced; the swarm is asked each `pause`."""

    deadline: float
    pause: float = 0.5

    async def brought(self, swarm: Swarm, spec: ServiceSpec, env_file: str) -> None:
        """Create the service, or update it, unless its spec is this release already; returns at once."""
        found = await swarm.service(spec.name)
        if found is None:
            await swarm.create(spec, env_file)
        elif found.labels.get(RELEASE) != (spec.labels or {}).get(RELEASE) or found.update in GIVEN_UP:
            await swarm.update(spec, found, env_file)

    async def proven(self, swarm: Swarm, service: str, release_id: str) -> None:
        """Return once every task of the service runs this release and the engine holds the update for done.

        Otherwise the earlier release is brought back first, if the engine has not done so; then this raises
        ReleaseAtFault with what the failed tasks printed, or Transient if only the swarm was at fault.
        """
        verdict = await self._decided(swarm, service, release_id)
        if verdict.kind == "standing":
            return
        log = await self._printed(swarm, verdict.failed)
        serves = await self.given_back(swarm, service, release_id)
        raise self._fault(release_id, verdict, serves, log)

    async def given_back(self, swarm: Swarm, service: str, refused: str) -> str | None:
        """Return the release that the service's spec names after the refused one was taken out of it.

        A service that has had no other release is left as it is, and None returned.
        """
        found = await swarm.service(service)
        if found is not None and found.labels.get(RELEASE) == refused:
            if not found.before or found.before.get(RELEASE, refused) == refused:
                return None
            await swarm.rollback(service)
        return await self._calm(swarm, service)

    async def emptied(self, swarm: Swarm, network: str) -> None:
        """Remove a network once the tasks that were on it have ended; one that stays in use is left."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not await swarm.remove_network(network):
            if loop.time() - began > self.deadline:
                log.warning("network_left", network=network)
                return
            await asyncio.sleep(self.pause)

    async def _decided(self, swarm: Swarm, service: str, release_id: str) -> Verdict:
        loop = asyncio.get_running_loop()
        tasks = await swarm.tasks(service)
        known = frozenset(task.id for task in tasks if task.failed)
        began = loop.time()
        while True:
            found = await swarm.service(service)
            verdict = judged(found, await swarm.tasks(service), release_id, known)
            allowed = self.deadline * ((found.replicas or 0) + 1) if found else 0.0
            if verdict.kind != "going":
                return verdict
            if loop.time() - began > allowed:
                return Verdict("refused", f"after {allowed:g} s {verdict.words}", verdict.failed)
            await asyncio.sleep(self.pause)

    async def _calm(self, swarm: Swarm, service: str) -> str | None:
        """Wait until the engine has put the spec into practice, and return the release that it names."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            found = await swarm.service(service)
            if found is None:
                return None
            if found.update not in _BUSY or loop.time() - began > self.deadline * (1 + (found.replicas or 0)):
                return found.labels.get(RELEASE)
            await asyncio.sleep(self.pause)

    async def _printed(self, swarm: Swarm, failed: tuple[Task, ...]) -> str:
        parts = []
        for task in failed[:_LOGS_OF]:
            parts.append(f"--- task {task.id[:12]}: {ending(task)}")
            try:
                parts.append(await swarm.logs(task.id, _LOG_LINES))
            except ExecutorError as error:
                parts.append(f"(no log: {error.message})")
        return "\n".join(part for part in parts if part)

    def _fault(self, release_id: str, verdict: Verdict, serves: str | None, log: str) -> ExecutorError:
        runs = f" Release {serves} runs there." if serves and serves != release_id else ""
        said = f"Release {release_id} did not come up on the swarm: {verdict.words}.{runs}"
        if not verdict.blames_release:
            return Transient(said, hint="The swarm itself was short of something; the step is tried again.")
        return ReleaseAtFault(said, log=log, hint="What the failed tasks printed is attached.")


def serves(found: Service | None, release_id: str) -> bool:
    """True if the service's spec is this release."""
    return found is not None and found.labels.get(RELEASE) == release_id
