"""Makes the targets that the configuration names, each at its first use."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from executor.adapters.docker import Docker
from executor.adapters.hosts import host_machine, swarm_machines
from executor.adapters.local_machine import LocalMachine
from executor.adapters.machine import Machine
from executor.sandbox.places import Places
from executor.settings_tables import Settings
from executor.targets.base import Target
from executor.targets.choice import DOCKER, PROCESS, Targets
from executor.targets.docker import ContainerBounds, DockerTarget
from executor.targets.edge import Edge
from executor.targets.image import Images
from executor.targets.swarm import SwarmTarget


def executor_mark(state_dir: Path, droplet_id: int) -> str:
    """One word by which what this executor makes on other machines is known as its own.

    It is drawn once for a state directory, so that two executors of one number are told apart.
    """
    kept = state_dir / "mark"
    with suppress(FileNotFoundError):
        return kept.read_text(encoding="ascii").strip()
    state_dir.mkdir(parents=True, exist_ok=True)
    made = state_dir / f"mark.{os.getpid()}"
    made.write_text(f"executor-{droplet_id}-{secrets.token_hex(4)}\n", encoding="ascii")
    with suppress(FileExistsError):
        os.link(made, kept)
    made.unlink()
    return kept.read_text(encoding="ascii").strip()


@dataclass(frozen=True, slots=True)
class _Factory:
    settings: Settings
    state_dir: Path
    mark: str
    images: Images
    local: Machine
    process: Callable[[], Target]

    def make(self, word: str) -> Target:
        kind, _, host = word.partition(":")
        if kind == PROCESS:
            return self.process()
        if kind == DOCKER:
            return self._docker(word, host_machine(self.settings.deploy, host) if host else self.local)
        return self._swarm()

    def _docker(self, word: str, machine: Machine) -> DockerTarget:
        deploy = self.settings.deploy
        return DockerTarget(
            machine,
            self.images,
            Edge(machine, image=deploy.edge, owner=self.mark, port_range=deploy.port_range),
            name=word,
            owner=self.mark,
            edge_image=deploy.edge,
            probes=deploy.probes,
            deadline=deploy.timeout,
            bounds=ContainerBounds(memory_bytes=deploy.memory, pids=deploy.pids),
        )

    def _swarm(self) -> SwarmTarget:
        deploy = self.settings.deploy
        manager, nodes = swarm_machines(deploy)
        return SwarmTarget(
            manager,
            nodes,
            self.images,
            owner=self.mark,
            edge_image=deploy.edge,
            replicas=deploy.replicas,
            port_range=deploy.port_range,
            probes=deploy.probes,
            deadline=deploy.timeout,
            bounds=ContainerBounds(memory_bytes=deploy.memory, pids=deploy.pids),
        )


def targets_of(settings: Settings, state_dir: Path, places: Places, process: Callable[[], Target]) -> Targets:
    """The choice of targets of this configuration; `process` makes the one on this machine without Docker."""
    local = LocalMachine(state_dir / "docker")
    images = Images(Docker(local), places.caches / "images", registry=settings.image_registry.url)
    factory = _Factory(
        settings=settings,
        state_dir=state_dir,
        mark=executor_mark(state_dir, settings.server.droplet_id),
        images=images,
        local=local,
        process=process,
    )
    return Targets(settings.deploy, factory.make)
