"""Test runs of builds as jobs on a Docker Swarm, so that their load leaves the daemon's machine.

Only commands marked `heavy` go there; all others, and every service, stay in the walls of this machine. Which
node does the work is docker's choice. While the swarm is away, nothing takes its place: the build waits.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import structlog

from executor.errors import ExecutorError, Permanent, Transient
from executor.sandbox.base import RunningService, Sandbox, SandboxCommand, SandboxResult
from executor.sandbox.places import Places
from executor.sandbox.remote import Remote
from executor.sandbox.swarm_archive import planned
from executor.sandbox.swarm_argv import Job, config_argv, network_argv, service_argv
from executor.sandbox.swarm_image import JobImages
from executor.sandbox.swarm_manager import SwarmManager
from executor.sandbox.swarm_payload import JobEnd, home_of, pack
from executor.sandbox.swarm_watch import Patience, job_end
from executor.sandbox.workspace import Workspace
from executor.unbroken import unbroken

_KEY_BYTES = 32
_LARGEST_FILE = 16 << 20
log = structlog.get_logger(__name__)


class SwarmJobSandbox:
    """Sends heavy commands to a swarm, all others to `here`.

    `manager` is one of the swarm's managers, `nodes` are the machines that jobs may run on (the manager too,
    if it shall), `image` is what they run on top of, which each of them has to have. `constraints` are
    docker's own.
    """

    def __init__(
        self,
        here: Sandbox,
        *,
        manager: Remote,
        nodes: Sequence[Remote],
        places: Places,
        image: str,
        constraints: tuple[str, ...] = (),
        patience: Patience | None = None,
    ) -> None:
        archives = places.caches / "jobs"
        archives.mkdir(mode=0o700, exist_ok=True)
        self._here = here
        self._manager = SwarmManager(manager)
        self._machines = tuple(nodes)
        self._places = places
        self._base = image
        self._constraints = constraints
        self._patience = patience or Patience()
        self._images = JobImages(archives)
        self._label = hashlib.sha256(os.fsencode(places.root)).hexdigest()[:16]
        self._ids: dict[str, str] = {}
        self._owed: set[Job] = set()

    @property
    def kind(self) -> str:
        """The kind of the walls on this machine."""
        return self._here.kind

    async def run(self, command: SandboxCommand) -> SandboxResult:
        """Run to the end or to a limit; nothing of it survives.

        A heavy command raises Transient while the swarm is away or has no room, and Permanent when it can
        never run there; of what it wrote, its `results` are brought here.
        """
        if not command.heavy:
            return await self._here.run(command)
        for job in tuple(self._owed):
            await self._removed(job)
        ended = await self._on_the_swarm(command)
        await asyncio.to_thread(self._kept, command, ended.files)
        return ended.result

    def serve(self, command: SandboxCommand) -> AbstractAsyncContextManager[RunningService]:
        """Keep a service running in the walls of this machine."""
        return self._here.serve(command)

    async def sweep(self) -> int:
        """Remove the jobs that a dead daemon of this state directory left; returns how many parts there were.

        Raises Transient while the manager does not answer, Permanent when it is none.
        """
        left = await self._manager.left(self._label)
        for kind, name in left:
            await self._remove(kind, name)
        for archive in (self._places.caches / "jobs").iterdir():
            archive.unlink()
        return len(left)

    async def _on_the_swarm(self, command: SandboxCommand) -> JobEnd:
        image = await asyncio.to_thread(planned, command, self._base, self._label, self._places)
        having = await self._images.brought(image, self._machines)
        key = secrets.token_bytes(_KEY_BYTES)
        pieces = await asyncio.to_thread(pack, command, key)
        job = Job(
            name=f"fpai-job-{secrets.token_hex(8)}",
            label=self._label,
            image=image.tag,
            pieces=len(pieces),
            constraints=(*self._constraints, *await self._elsewhere(having)),
        )
        try:
            # Not broken off halfway: what was asked for could come into being after it had been removed.
            await unbroken(self._begun(job, command, pieces, key))
            return await job_end(self._manager, job.name, command, self._patience)
        finally:
            await unbroken(self._removed(job))

    async def _elsewhere(self, having: Sequence[Remote]) -> list[str]:
        """Constraints that keep a job off nodes without its image; Transient if no other takes tasks."""
        ids = {await self._id(machine) for machine in having}
        nodes = await self._manager.nodes()
        if not any(node.id in ids and node.takes_tasks for node in nodes):
            raise Transient(
                "No node of the swarm that is named in the configuration takes tasks now.",
                hint="See `docker node ls` on the manager, and [deploy] nodes.",
            )
        return [f"node.id!={node.id}" for node in nodes if node.id not in ids]

    async def _id(self, machine: Remote) -> str:
        if machine.name not in self._ids:
            asked = await machine.run(["docker", "info", "--format", "{{.Swarm.NodeID}}"])
            found = asked.stdout.decode().strip()
            if asked.code != 0 or not found:
                raise Permanent(
                    f"{machine.name} is not part of a swarm.",
                    hint="Join it (docker swarm join), or take it out of [deploy] nodes.",
                )
            self._ids[machine.name] = found
        return self._ids[machine.name]

    async def _begun(self, job: Job, command: SandboxCommand, pieces: Sequence[bytes], key: bytes) -> None:
        await self._manager.ask(*network_argv(job))
        for name, piece in zip(job.configs, pieces, strict=True):
            await self._manager.ask(*config_argv(job, name), stdin=piece)
        await self._manager.start(service_argv(job, command), key)

    async def _removed(self, job: Job) -> None:
        """Remove all of a job; what the swarm does not let go of now is removed before the next job."""
        self._owed.add(job)
        try:
            for kind, name in (("service", job.name), *(("config", name) for name in job.configs)):
                await self._remove(kind, name)
            await self._remove("network", job.name)
        except ExecutorError as error:
            log.warning("job_left_on_swarm", job=job.name, reason=error.message)
            return
        self._owed.discard(job)

    async def _remove(self, kind: str, name: str) -> None:
        """Remove one thing, which its last user may hold for some seconds."""
        deadline = time.monotonic() + self._patience.removal
        while True:
            try:
                return await self._manager.remove(kind, name)
            except Permanent:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(self._patience.look)

    def _kept(self, command: SandboxCommand, files: Mapping[str, bytes]) -> None:
        for path, content in files.items():
            if path in command.results:
                tree, name = home_of(path, command.binds)
                Workspace(tree, self._places.sandbox_uid).write(name, content, _LARGEST_FILE)
