"""Target `swarm`: a droplet as a service of an existing Docker swarm, replaced task by task by the engine.

A release is one version of the service's spec. Starting it changes the spec; the engine then replaces the
tasks, each new one first and only once the image's own health check passes, and brings the earlier spec back
by itself when one fails. So traffic moves while a release is proven, and what the executor adds is the
judgement: which release runs, whether all of it does, and what to do when the swarm cannot decide.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from executor.adapters.docker import Image
from executor.adapters.docker_swarm import Swarm
from executor.adapters.docker_swarm_argv import HealthPace, Rolling, ServiceSpec, checked_variables
from executor.adapters.machine import Machine
from executor.errors import Permanent, ReleaseAtFault
from executor.targets.base import Doing, Release, Running
from executor.targets.container_env import container_env, env_file_text
from executor.targets.container_names import data_volume, droplet_dir
from executor.targets.deploy_lock import DeployLock
from executor.targets.docker import ContainerBounds
from executor.targets.image import Images
from executor.targets.proving import probe_until
from executor.targets.swarm_edge import SwarmEdge
from executor.targets.swarm_images import SwarmImages
from executor.targets.swarm_names import (
    BUILD,
    COMMIT,
    DROPLET,
    OWNER,
    RELEASE,
    image_label,
    network_name,
    service_name,
)
from executor.targets.swarm_nodes import Seat, SwarmNodes
from executor.targets.swarm_rollout import Rollout, serves

_LOG_LINES = 60
_WRITABLE = "droplet.writable_root"


class SwarmTarget:
    """A swarm through one of its managers. `nodes` are the machines that images are brought to.

    `owner` is this executor's mark on what it makes. `probes` answers in a row through the edge of every
    machine, within `deadline` seconds, prove a release once all its tasks run. The manager is asked how
    things stand each `pause` seconds.
    """

    name = "swarm"
    revive_after = 60.0  # the engine itself replaces what has ended; a lost machine is noticed after 20 s

    def __init__(
        self,
        manager: Machine,
        nodes: Sequence[Machine],
        images: Images,
        *,
        owner: str,
        edge_image: str,
        replicas: int,
        port_range: tuple[int, int],
        probes: int,
        deadline: float,
        bounds: ContainerBounds | None = None,
        health: HealthPace | None = None,
        rolling: Rolling | None = None,
        pause: float = 0.5,
    ) -> None:
        self._manager = manager
        self._machines = {machine.name: machine for machine in (manager, *nodes)}
        self._swarm = Swarm(manager)
        self._nodes = SwarmNodes(nodes, owner)
        self._edge = SwarmEdge(
            owner=owner, port_range=port_range, replicas=replicas, patience=deadline, pause=pause
        )
        self._rollout = Rollout(deadline, pause)
        self._lock = DeployLock(manager, owner)
        self._images = SwarmImages(images, edge_image)
        self._owner = owner
        self._replicas = replicas
        self._probes = probes
        self._deadline = deadline
        self._bounds = bounds or ContainerBounds()
        self._health = health or HealthPace()
        self._rolling = rolling or Rolling()
        self._guards: dict[str, tuple[str, ...]] = {}

    @asynccontextmanager
    async def held(self, droplet: str, build_id: str) -> AsyncIterator[None]:
        """Hold the droplet's lock on the manager; raises Transient while somebody else does."""
        async with self._lock.held(droplet, build_id) as hold:
            self._guards[droplet] = hold.guard
            try:
                yield
            finally:
                self._guards.pop(droplet, None)

    async def find(self, release: Release) -> Running | None:
        """Return the release if the service's spec names it and the droplet has its edge, else None."""
        if not serves(await self._swarm.service(service_name(release.droplet_name)), release.id):
            return None
        port = await self._edge.port(self._swarm, release.droplet_name)
        if port is None:
            return None
        return self._running(release, await self._nodes.usable(self._swarm), port)

    async def prepare(self, release: Release, doing: Doing) -> None:
        """Build the image unless there is one of this release, and bring it to every machine that is up.

        Raises ReleaseAtFault when it cannot be built or has no HEALTHCHECK, Permanent when there is no swarm,
        Conflict when the droplet's name belongs to another executor, Transient when a machine that the swarm
        counts on does not answer.
        """
        droplet = release.droplet_name
        swarm = self._guarded(droplet)
        await swarm.checked()
        await self._edge.checked_owner(swarm, droplet)
        seats, down = await self._nodes.met(swarm)
        if down:
            doing.log(
                f"Down or drained, and left out: {', '.join(machine.name for machine in down)}.", "warning"
            )
        await self._images.brought(release, seats, doing)
        await swarm.network(network_name(droplet), {OWNER: self._owner, DROPLET: droplet})
        await self._nodes.shipped(swarm, droplet, seats)
        if self._replicas > 1:
            doing.log(f"Each machine has its own data of {droplet}: {self._replicas} replicas share none.")

    async def start(self, release: Release) -> Running:
        """Change the service's spec to this release, or make the service; the engine replaces the tasks.

        Traffic goes to each new task as soon as its health check passes. A spec that names it is left alone.
        """
        droplet = release.droplet_name
        swarm = self._guarded(droplet)
        await self._edge.checked_owner(swarm, droplet)
        seats = await self._nodes.usable(swarm)
        await swarm.network(network_name(droplet), {OWNER: self._owner, DROPLET: droplet})
        port = await self._edge.ensured(swarm, droplet, await self._images.edge_id(seats[0]), seats)
        spec = await self._spec(release, await self._images.kept(release.id, seats))
        env_file = f"{await self._place(droplet)}/env"
        await self._manager.write(env_file, env_file_text(release).encode(), mode=0o600)
        try:
            await self._rollout.brought(swarm, spec, env_file)
        finally:
            await self._manager.run(["rm", "-f", env_file])
        return self._running(release, seats, port)

    async def prove(self, running: Running, release: Release) -> None:
        """Return once every task is this release and every machine's edge answers with it.

        Else ReleaseAtFault, after the earlier release was brought back.
        """
        droplet = release.droplet_name
        swarm = self._guarded(droplet)
        await self._rollout.proven(swarm, service_name(droplet), release.id)
        for seat in await self._nodes.usable(swarm):
            await self._answers(swarm, running, seat, self._probes)

    async def switch(self, running: Running, release: Release) -> None:
        """Note that this release serves, after one more look: the engine has moved the traffic by now."""
        swarm = self._guarded(release.droplet_name)
        seats = await self._nodes.usable(swarm)
        await self._answers(swarm, running, seats[0], 1)
        await self._manager.write(await self._serving_path(release.droplet_name), release.id.encode())

    async def discard(self, release: Release, earlier: Mapping[str, str] | None) -> None:
        """Take the release out of the service's spec; without another one the service goes."""
        swarm = self._guarded(release.droplet_name)
        name = service_name(release.droplet_name)
        await self._rollout.given_back(swarm, name, release.id)
        if serves(await swarm.service(name), release.id):
            await swarm.remove(name)
            if not earlier:
                await self._edge.remove(swarm, release.droplet_name)

    async def stop(self, handle: Mapping[str, str]) -> None:
        """Take the service and its edge away if this release serves; one that was replaced has ended already.

        A release that was started and never switched to makes room for the one before it.
        """
        droplet = handle["droplet"]
        swarm, name = self._guarded(droplet), service_name(droplet)
        if not serves(await swarm.service(name), handle["release_id"]):
            return
        switched = await self._serving(droplet) == handle["release_id"]
        if not switched and await self._rollout.given_back(swarm, name, handle["release_id"]):
            return
        await swarm.remove(name)
        await self._edge.remove(swarm, droplet)

    async def retire(self, droplet: str) -> None:
        """Remove the service, its edge, its network and notes; the volumes with its data stay."""
        swarm = self._guarded(droplet)
        await self._edge.checked_owner(swarm, droplet)
        await swarm.remove(service_name(droplet))
        await self._edge.remove(swarm, droplet)
        await self._rollout.emptied(swarm, network_name(droplet))
        await self._nodes.retired(swarm, droplet)
        await self._manager.run(["rm", "-rf", await self._place(droplet)])

    async def alive(self, handle: Mapping[str, str]) -> bool:
        """True while the service's spec is this release: then the engine keeps its tasks running."""
        return serves(await self._swarm.service(service_name(handle["droplet"])), handle["release_id"])

    async def log_tail(self, handle: Mapping[str, str], lines: int = _LOG_LINES) -> str:
        """The last lines that its tasks printed."""
        return await self._swarm.logs(service_name(handle["droplet"]), lines)

    async def prune(self, droplet: str, keep: frozenset[str]) -> None:
        """Remove the images of releases that are not kept, on every machine that can be reached."""
        found = await self._swarm.service(service_name(droplet))
        named = [found.labels, found.before or {}] if found else []
        wanted = keep | {labels[RELEASE] for labels in named if RELEASE in labels}
        await self._images.pruned(self._machines.values(), droplet, wanted)

    async def aclose(self) -> None:
        """Let go of the connections; the services run on."""
        for machine in self._machines.values():
            await machine.aclose()

    async def _spec(self, release: Release, image: Image) -> ServiceSpec:
        droplet = release.droplet_name
        mine = {DROPLET: droplet, RELEASE: release.id}
        return ServiceSpec(
            name=service_name(droplet),
            image=image.id,
            network=network_name(droplet),
            memory_bytes=self._bounds.memory_bytes,
            pids=self._bounds.pids,
            replicas=self._replicas,
            labels={**mine, OWNER: self._owner, BUILD: release.build_id, COMMIT: release.commit},
            task_labels=mine,
            variables=checked_variables(list(container_env(release))),
            constraints=(f"node.labels.{image_label(droplet)}=={self._owner}",),
            volumes=((data_volume(droplet), "/data"),),
            read_only=image.labels.get(_WRITABLE) != "true",
            stop_grace=self._bounds.grace,
            log_bytes=self._bounds.log_bytes,
            rolling=self._rolling,
            health=self._health,
        )

    def _running(self, release: Release, seats: Sequence[Seat], port: int) -> Running:
        handle = {
            "release_id": release.id,
            "droplet": release.droplet_name,
            "service": service_name(release.droplet_name),
            "port": str(port),
        }
        return Running(release.id, f"http://{seats[0].machine.address}:{port}", handle)

    async def _answers(self, swarm: Swarm, running: Running, seat: Seat, probes: int) -> None:
        """Raise ReleaseAtFault, the earlier release brought back, unless it answers through that edge."""

        async def alive() -> bool:
            return serves(await swarm.service(running.handle["service"]), running.release_id)

        async with self._edge.reached(seat, int(running.handle["port"])) as url:
            proof = await probe_until(
                url, running.release_id, probes=probes, deadline=self._deadline, alive=alive
            )
        if proof.proven:
            return
        printed = await self.log_tail(running.handle)
        await self._rollout.given_back(swarm, running.handle["service"], running.release_id)
        raise ReleaseAtFault(
            f"Release {running.release_id} runs on the swarm and does not serve at {seat.machine.name}:"
            f" {proof.problem}.",
            log=printed,
            hint="What it printed is attached; the release before it was brought back.",
        )

    async def _place(self, droplet: str) -> str:
        return f"{await droplet_dir(self._manager, droplet)}/swarm"

    async def _serving_path(self, droplet: str) -> str:
        return f"{await self._place(droplet)}/serving"

    async def _serving(self, droplet: str) -> str:
        """The release that was switched to last, empty if none was."""
        done = await self._manager.run(["cat", await self._serving_path(droplet)])
        return done.stdout.decode("utf-8", "replace").strip() if done.code == 0 else ""

    def _guarded(self, droplet: str) -> Swarm:
        """Commands that change something run only under this executor's hold of the lock."""
        guard = self._guards.get(droplet)
        if guard is None:
            raise Permanent(f"The deploy lock of {droplet} is not held.")
        return self._swarm.guarded(guard)
