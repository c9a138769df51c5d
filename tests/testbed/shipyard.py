"""What a deploy is, for tests of targets: the steps of the Deployer without a build around them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from executor.adapters.docker import Docker
from executor.adapters.local_machine import LocalMachine
from executor.adapters.machine import Machine
from executor.errors import ReleaseAtFault, Transient
from executor.targets.base import Release, Running
from executor.targets.docker import ContainerBounds, DockerTarget
from executor.targets.edge import Edge
from executor.targets.image import Images
from tests.testbed.bed import EDGE_IMAGE


class Log:
    """Lends a target what a build lends it; every effect is done once for each key, as in a build."""

    def __init__(self, kept: Path | None = None, die_at: str = "") -> None:
        """In the file `kept` the effects outlive this process; `die_at` is `before KEY` or `after KEY`."""
        self.lines: list[str] = []
        self.actions: list[str] = []
        self.kept = kept
        self.die_at = die_at
        self.begun: list[str] = []
        self.effects: dict[str, Mapping[str, Any]] = (
            json.loads(kept.read_text()) if kept is not None and kept.exists() else {}
        )

    def progress(self, action: str, fraction: float | None = None) -> None:
        self.actions.append(action)

    def log(self, text: str, level: str = "info") -> None:
        self.lines.append(text)

    async def effect(self, key: str, *, probe: Any, act: Any) -> Mapping[str, Any]:
        if key not in self.effects:
            self.begun.append(key)
            self._die("before", key)
            found = await probe()
            done = found if found is not None else await act()
            self._die("after", key)
            self.effects[key] = done
            if self.kept is not None:
                self.kept.write_text(json.dumps(self.effects))
        return self.effects[key]

    def _die(self, when: str, key: str) -> None:
        """Killed with its act done and not noted, or noted as begun and not done."""
        if self.die_at and f"{when} {key}".startswith(self.die_at):
            os.kill(os.getpid(), signal.SIGKILL)


def docker_target(
    machine: Machine,
    where: Path,
    *,
    owner: str = "executor-test",
    memory: int = 96 << 20,
    deadline: float = 8.0,
) -> DockerTarget:
    """A target on this machine, with images built by this machine's engine."""
    local = LocalMachine(where / "docker")
    images = Images(Docker(local), where / "images")
    return DockerTarget(
        local if machine.name == "local" else machine,
        images,
        Edge(machine, image=EDGE_IMAGE, owner=owner, port_range=(23000, 23099)),
        name=f"docker:{machine.name}",
        owner=owner,
        edge_image=EDGE_IMAGE,
        probes=2,
        deadline=deadline,
        bounds=ContainerBounds(memory_bytes=memory, pids=64, grace=3),
    )


async def deployed(
    target: DockerTarget, release: Release, log: Log | None = None, earlier: Running | None = None
) -> Running:
    """Deploy a release as step 6 does; a release at fault is discarded and the error goes on."""
    log = log or Log()
    async with target.held(release.droplet_name, release.build_id):
        try:
            await target.prepare(release, log)
            running = await _started(target, release, log)
            await target.prove(running, release)
            await _once(log, f"switch/{release.id}", lambda: target.switch(running, release))
        except ReleaseAtFault:
            await target.discard(release, earlier.handle if earlier else None)
            kept = frozenset({earlier.release_id}) if earlier else frozenset()
            await target.prune(release.droplet_name, kept)
            raise
        if earlier is not None:
            await _once(log, f"stop/{earlier.release_id}", lambda: target.stop(earlier.handle))
    return running


async def _started(target: DockerTarget, release: Release, log: Log) -> Running:
    async def probe() -> Mapping[str, Any] | None:
        found = await target.find(release)
        return asdict(found) if found else None

    async def act() -> Mapping[str, Any]:
        return asdict(await target.start(release))

    running = Running(**await log.effect(f"start/{release.id}", probe=probe, act=act))
    return running if await target.alive(running.handle) else await target.start(release)


async def _once(log: Log, key: str, do: Callable[[], Awaitable[None]]) -> None:
    async def probe() -> None:
        return None

    async def act() -> Mapping[str, Any]:
        await do()
        return {}

    await log.effect(key, probe=probe, act=act)


async def deployed_in_the_end(
    target: DockerTarget, release: Release, log: Log | None = None, earlier: Running | None = None
) -> Running:
    """Deploy it however often the way to the machine breaks, as the runner does."""
    async with asyncio.timeout(150):
        while True:
            try:
                return await deployed(target, release, log, earlier)
            except Transient as error:
                await asyncio.sleep(min(error.retry_after or 1.0, 2.0))


async def withdrawn(target: DockerTarget, droplet: str) -> None:
    """Leave nothing of a droplet on the machine but its volume."""
    async with target.held(droplet, "clean"):
        docker = target._guarded(droplet)
        for found in await docker.containers({"fpai.droplet": droplet}):
            await docker.remove(found.name)
        await target.retire(droplet)
        await target.prune(droplet, frozenset())
    engine = target._images._engine  # a target keeps the newest image there, and tests use names again
    for image in await engine.images({"fpai.droplet": droplet}):
        for ref in image.tags or (image.id,):
            await engine.remove_image(ref)
