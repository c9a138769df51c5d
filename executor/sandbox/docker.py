"""The sandbox made of docker containers, for a machine on which bubblewrap cannot build its walls.

The same view and the same limits as bubblewrap's: one container for each command, without network, rights
or a writable root. A command takes about 0.6 s more than in bubblewrap, so this is the second choice.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from executor.errors import NotFound
from executor.sandbox.base import RunningService, SandboxCommand, SandboxResult
from executor.sandbox.docker_argv import Container
from executor.sandbox.docker_engine import Engine, Image
from executor.sandbox.docker_held import HeldContainer
from executor.sandbox.places import Places
from executor.sandbox.supervise import kept_running, run_to_end
from executor.sandbox.writable import give_writable
from executor.unbroken import unbroken


class DockerSandbox:
    """Walls of containers made by this machine's engine. Their root is `image`, which is never pulled."""

    kind = "docker"
    limits_note = ""

    def __init__(self, places: Places, image: str, *, program: str = "docker") -> None:
        home = places.caches / "docker"
        home.mkdir(mode=0o700, exist_ok=True)
        self._places = places
        self._reference = image
        self._engine = Engine(home, program)
        self._image: Image | None = None
        self._label = hashlib.sha256(os.fsencode(places.root)).hexdigest()[:16]
        self._standing: set[str] = set()
        self._owed: set[str] = set()

    async def run(self, command: SandboxCommand) -> SandboxResult:
        """Run to the end or to a limit; nothing of it survives.

        Raises Permanent if it cannot be walled, Transient while the engine does not answer.
        """
        async with self._container(command) as name:
            begun: list[HeldContainer] = []
            result = await run_to_end(lambda: self._begin(name, command, begun), command)
        return begun[0].judged(result, command)

    def serve(self, command: SandboxCommand) -> AbstractAsyncContextManager[RunningService]:
        """Keep a service running while the context is open, then kill all of it.

        Raises as `run` does; a container that could not be started shows when the context ends.
        """
        return self._serve(command)

    async def sweep(self) -> int:
        """End the containers that a dead daemon of this state directory left; returns how many there were."""
        left = await self._engine.labelled(self._label)
        await self._engine.remove(*left)
        return len(left)

    @asynccontextmanager
    async def _serve(self, command: SandboxCommand) -> AsyncIterator[RunningService]:
        async with self._container(command) as name:
            begun: list[HeldContainer] = []
            async with kept_running(lambda: self._begin(name, command, begun), command) as service:
                yield service
        begun[0].check()

    def _begin(self, name: str, command: SandboxCommand, begun: list[HeldContainer]) -> HeldContainer:
        begun.append(HeldContainer(self._engine, name, command.limits.output_bytes, self._remove))
        return begun[0]

    @asynccontextmanager
    async def _container(self, command: SandboxCommand) -> AsyncIterator[str]:
        """A container that stands while the context is open.

        Making it is never broken off halfway: the engine may fulfil the request of a client that was killed.
        """
        await give_writable(command.binds, self._places)
        for name in tuple(self._owed):
            await self._remove(name)
        container = await self._planned()
        self._standing.add(container.name)
        try:
            await unbroken(self._create(container, command))
            yield container.name
        finally:
            if container.name in self._standing:
                await unbroken(self._remove(container.name))

    async def _planned(self) -> Container:
        if self._image is None:
            self._image = await self._engine.image(self._reference)
        uid = self._places.sandbox_uid
        return Container(
            name=f"fpai-s-{secrets.token_hex(8)}",
            label=self._label,
            image=self._image.id,
            user=os.geteuid() if uid is None else uid,
            unset=self._image.variables,
        )

    async def _create(self, container: Container, command: SandboxCommand) -> None:
        try:
            await self._engine.create(container, command)
        except NotFound:
            self._image = None  # removed or replaced since we looked, so the reference is read again
            again = await self._planned()
            await self._engine.create(replace(again, name=container.name), command)

    async def _remove(self, name: str) -> None:
        """Kill and remove; what the engine did not take now is removed before the next command is run."""
        self._standing.discard(name)
        self._owed.add(name)
        await self._engine.remove(name)
        self._owed.discard(name)
