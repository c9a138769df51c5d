"""What a deploy is, for tests of targets: the steps of the Deployer without a build around them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from executor.adapters.docker import Docker
from executor.adapters.local_machine import LocalMachine
from executor.adapters.machine import Machine
from executor.errors import ReleaseAtFault
from executor.targets.base import Release, Running
from executor.targets.docker import ContainerBounds, DockerTarget
from executor.targets.edge import Edge
from executor.targets.image import Images
from tests.testbed.bed import EDGE_IMAGE


class Log:
    """Lends a target what a build lends it; every effect is done once for each key, as in a build."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.actions: list[str] = []
        self.effects: dict[str, Mapping[str, Any]] = {}

    def progress(self, action: str, fraction: float | None = None) -> None:
        self.actions.append(action)

    def log(self, text: str, level: str = "info") -> None:
        self.lines.append(text)

    async def effect(self, key: str, *, probe: Any, act: Any) -> Mapping[str, Any]:
        if key not in self.effects:
            found = await probe()
            self.effects[key] = found if found is not None else await act()
        return self.effects[key]


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
            running = await target.start(release)
            await target.prove(running, release)
            await target.switch(running, release)
        except ReleaseAtFault:
            await target.discard(release, earlier.handle if earlier else None)
            kept = frozenset({earlier.release_id}) if earlier else frozenset()
            await target.prune(release.droplet_name, kept)
            raise
        if earlier is not None:
            await target.stop(earlier.handle)
    return running


async def withdrawn(target: DockerTarget, droplet: str) -> None:
    """Leave nothing of a droplet on the machine but its volume."""
    async with target.held(droplet, "clean"):
        docker = target._guarded(droplet)
        for found in await docker.containers({"fpai.droplet": droplet}):
            await docker.remove(found.name)
        await target.retire(droplet)
        await target.prune(droplet, frozenset())
