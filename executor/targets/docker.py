"""Target `docker`: releases as containers of one machine, each droplet behind a proxy of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from executor.adapters.docker import Container, Docker, Image
from executor.adapters.docker_argv import ContainerSpec
from executor.adapters.machine import Machine
from executor.errors import Permanent, ReleaseAtFault, Transient
from executor.targets.base import Doing, Release, Running
from executor.targets.container_env import env_file_text
from executor.targets.container_names import (
    DROPLET,
    NETWORK,
    OWNER,
    RELEASE,
    container_name,
    data_volume,
    droplet_dir,
)
from executor.targets.deploy_lock import DeployLock
from executor.targets.edge import Edge
from executor.targets.edge_config import RELEASE_PORT
from executor.targets.image import Images
from executor.targets.proving import Proof, probe_until, wrong_body

_LOG_LINES = 60
_WRITABLE = "droplet.writable_root"
# Removes every file of a directory that is not named.
_REMOVE_OTHERS = """
cd "$1" 2>/dev/null || exit 0
shift
for file in *; do
    kept=
    for name; do [ "$file" != "$name" ] || kept=1; done
    [ "$kept" ] || rm -f "$file"
done
"""
_ASK_INSIDE = """
import sys, urllib.request
sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=3).read(65536).decode())
"""
_TRIAL_SPACING = 0.7
"""Seconds between the probes of a release that has the traffic already: a late crash shows by then."""


@dataclass(frozen=True, slots=True)
class ContainerBounds:
    """How much one release may use; `grace` is the time in seconds for open requests when it is stopped."""

    memory_bytes: int = 512 << 20
    pids: int = 128
    log_bytes: int = 8 << 20
    grace: int = 10


class DockerTarget:
    """One machine, this one or a host over SSH. `owner` is this executor's mark on what it makes there.

    `probes` answers in a row within `deadline` seconds prove a release, beside the old one and once more
    through the proxy.
    """

    revive_after = 30.0  # the engine itself restarts what has ended

    def __init__(
        self,
        machine: Machine,
        images: Images,
        edge: Edge,
        *,
        name: str,
        owner: str,
        edge_image: str,
        probes: int,
        deadline: float,
        bounds: ContainerBounds | None = None,
    ) -> None:
        self._machine = machine
        self._docker = Docker(machine)
        self._images = images
        self._edge = edge
        self._lock = DeployLock(machine, owner)
        self._name = name
        self._owner = owner
        self._edge_image = edge_image
        self._probes = probes
        self._deadline = deadline
        self._bounds = bounds or ContainerBounds()
        self._guards: dict[str, tuple[str, ...]] = {}

    @property
    def name(self) -> str:
        """`docker`, or `docker:HOST`."""
        return self._name

    @asynccontextmanager
    async def held(self, droplet: str, build_id: str) -> AsyncIterator[None]:
        """Hold the droplet's lock on the machine; raises Transient while somebody else does."""
        async with self._lock.held(droplet, build_id) as hold:
            self._guards[droplet] = hold.guard
            try:
                yield
            finally:
                if self._guards.get(droplet) == hold.guard:  # else a later holder's
                    del self._guards[droplet]

    async def find(self, release: Release) -> Running | None:
        """Return the release if its container runs, else None."""
        found = await self._docker.container(container_name(release.droplet_name, release.id))
        if found is None or not found.running:
            return None
        return await self._running(found, release)

    async def prepare(self, release: Release, doing: Doing) -> None:
        """Build the image unless there is one of this release, and bring it to the machine.

        Raises ReleaseAtFault when it cannot be built, Permanent when neither image nor source are left,
        Conflict when the droplet's name belongs to another executor on this machine.
        """
        await self._docker.ready()
        await self._edge.checked_owner(self._docker, release.droplet_name)
        if release.source.is_dir():
            image = await self._images.built(release, doing)
        else:
            image = await self._kept(release)
        docker = self._guarded(release.droplet_name)
        await self._images.shipped(image, docker, self._machine, doing)
        await self._images.edge_shipped(self._edge_image, docker, self._machine, doing)
        await docker.network(NETWORK)

    async def start(self, release: Release) -> Running:
        """Run its container beside the one that serves, or adopt it; what is left of a broken one goes first.

        Raises Permanent when the image is not on the machine, Transient for a machine short of something.
        """
        name = container_name(release.droplet_name, release.id)
        docker = self._guarded(release.droplet_name)
        found = await docker.container(name)
        if found is None or not found.running:
            if found is not None:
                await docker.remove(name)
            await docker.run(await self._spec(release))
            found = await docker.container(name)
        if found is None:
            raise Permanent(f"Container {name} was started on {self._machine.name} and is not there.")
        return await self._running(found, release)

    async def prove(self, running: Running, release: Release) -> None:
        """Return once /health inside the container reports this release; else raise ReleaseAtFault."""
        container = await self._docker.container(running.handle["container"])
        address = container.addresses.get(NETWORK) if container else None
        if container is None or not address:
            proof = Proof(False, "it ended", ended=True)
        else:
            async with self._machine.reach(address, RELEASE_PORT) as url:
                proof = await self._probed(url, running)
        if proof.proven:
            return
        if container is not None and address and not proof.ended:
            await self._refuse_broken_network(container, address, release)
        raise await self._fault(running, proof)

    async def switch(self, running: Running, release: Release) -> None:
        """Point the proxy at it on trial, and back at the earlier one if it does not go on answering."""
        droplet, container = release.droplet_name, running.handle["container"]
        docker = self._guarded(droplet)
        before = await self._edge.serves(droplet)
        on_trial = before if before != container and await self._runs(before) else None
        await self._edge.point(docker, droplet, container, earlier=on_trial)
        async with self._edge.reached(droplet) as url:
            proof = await self._probed(url, running, spacing=_TRIAL_SPACING)
        if not proof.proven:
            fault = await self._edge.trouble(docker, droplet) or await self._fault(running, proof)
            await self._give_back(docker, droplet, before, container)
            raise fault
        await docker.keep_running(container)
        if on_trial:
            await self._edge.point(docker, droplet, container)
        await self._edge.settled(docker, droplet)

    async def discard(self, release: Release, earlier: Mapping[str, str] | None) -> None:
        """Remove its container and environment; the proxy goes on with the earlier release."""
        droplet = release.droplet_name
        docker, name = self._guarded(droplet), container_name(droplet, release.id)
        if await self._edge.serves(droplet) == name:
            await self._give_back(docker, droplet, earlier["container"] if earlier else None, name)
        if await docker.container(name) is not None:
            await docker.remove(name)
        await self._machine.run(["rm", "-f", await self._env_path(droplet, name)])

    async def stop(self, handle: Mapping[str, str]) -> None:
        """Stop its container, with time for open requests; container and image stay for a rollback."""
        docker = self._guarded(handle["droplet"])
        found = await docker.container(handle["container"])
        if found is not None and found.running:
            await docker.stay_ended(found.name)
            await docker.stop(found.name, self._bounds.grace)

    async def retire(self, droplet: str) -> None:
        """Take the droplet's proxy away and give its port back; the volume with its data stays."""
        await self._edge.remove(self._guarded(droplet), droplet)

    async def alive(self, handle: Mapping[str, str]) -> bool:
        """True while its container runs."""
        found = await self._docker.container(handle["container"])
        return found is not None and found.running and found.labels.get(RELEASE) == handle["release_id"]

    async def log_tail(self, handle: Mapping[str, str], lines: int = _LOG_LINES) -> str:
        """The last lines that the container printed."""
        return await self._docker.logs(handle["container"], lines)

    async def prune(self, droplet: str, keep: frozenset[str]) -> None:
        """Remove stopped containers and the images of releases that are not kept."""
        docker, left = self._guarded(droplet), []
        for found in await docker.containers({OWNER: self._owner, DROPLET: droplet}):
            if found.running or found.labels.get(RELEASE, "") in keep:
                left.append(found.name)
            else:
                await docker.remove(found.name)
        where = f"{await droplet_dir(self._machine, droplet)}/env"
        await self._machine.run(["sh", "-c", _REMOVE_OTHERS, "fpai", where, *left])
        await self._images.pruned(docker, droplet, keep)

    async def aclose(self) -> None:
        """Let go of the connection; the containers run on."""
        await self._machine.aclose()

    async def _runs(self, container: str | None) -> bool:
        found = await self._docker.container(container) if container else None
        return found is not None and found.running

    async def _kept(self, release: Release) -> Image:
        found = await self._docker.images({RELEASE: release.id})
        if not found:
            raise Permanent(
                f"The image of release {release.id} is not kept any more on {self._machine.name}.",
                hint="Build the droplet again; [deploy] keep says how many releases are kept.",
            )
        return found[0]

    async def _spec(self, release: Release) -> ContainerSpec:
        image = await self._kept(release)
        name = container_name(release.droplet_name, release.id)
        env_path = await self._env_path(release.droplet_name, name)
        await self._machine.write(env_path, env_file_text(release).encode(), mode=0o600)
        return ContainerSpec(
            name=name,
            image=image.id,
            network=NETWORK,
            labels={OWNER: self._owner, RELEASE: release.id, DROPLET: release.droplet_name},
            env_file=env_path,
            volumes=(f"{data_volume(release.droplet_name)}:/data",),
            mounts=(),
            publish=(),
            memory_bytes=self._bounds.memory_bytes,
            pids=self._bounds.pids,
            read_only=image.labels.get(_WRITABLE) != "true",
            # A release on trial that ends stays ended, for its exit code and its log to be read.
            restart="no",
            stop_timeout=self._bounds.grace,
            log_bytes=self._bounds.log_bytes,
        )

    async def _running(self, found: Container, release: Release) -> Running:
        handle = {
            "release_id": release.id,
            "droplet": release.droplet_name,
            "container": found.name,
            "host": self._machine.name,
        }
        return Running(release.id, await self._edge.url(release.droplet_name), handle)

    async def _probed(self, url: str, running: Running, *, spacing: float = 0.05) -> Proof:
        async def alive() -> bool:
            found = await self._docker.container(running.handle["container"])
            return found is not None and found.running

        return await probe_until(
            url,
            running.release_id,
            probes=self._probes,
            deadline=self._deadline,
            alive=alive,
            spacing=spacing,
        )

    async def _refuse_broken_network(self, container: Container, address: str, release: Release) -> None:
        """Raise Transient when the release answers in its container and the engine's network leads nowhere.

        That happens for a while after an engine was killed; a container that is made anew is reached again.
        """
        words = ["python", "-c", _ASK_INSIDE, f"http://{address}:{RELEASE_PORT}/health"]
        done = await self._docker.execute(container.name, words)
        if done.code == 0 and wrong_body(done.stdout, release.id) is None:
            await self._guarded(release.droplet_name).remove(container.name)
            raise Transient(
                f"Release {release.id} is well, and Docker's network on {self._machine.name} misses it.",
                hint="Its container is made anew by itself; `journalctl -u docker` there may tell more.",
            )

    async def _fault(self, running: Running, proof: Proof) -> ReleaseAtFault:
        found = await self._docker.container(running.handle["container"])
        problem = self._ending(found) if proof.ended else proof.problem
        return ReleaseAtFault(
            f"Release {running.release_id} is not fit to serve on {self._machine.name}: {problem}.",
            log=await self.log_tail(running.handle),
            hint="What it printed is attached; the earlier release stays in place.",
        )

    def _ending(self, found: Container | None) -> str:
        if found is None:
            return "its container is gone"
        if found.oom_killed or found.exit_code == 137:
            return f"it was killed, as happens when it needs more than {self._bounds.memory_bytes >> 20} MiB"
        return f"it ended with exit code {found.exit_code}"

    async def _give_back(self, docker: Docker, droplet: str, earlier: str | None, refused: str) -> None:
        """The proxy serves the earlier container again, or goes if there is none."""
        if earlier and earlier != refused:
            await self._edge.point(docker, droplet, earlier)
        else:
            await self._edge.remove(docker, droplet)

    async def _env_path(self, droplet: str, container: str) -> str:
        return f"{await droplet_dir(self._machine, droplet)}/env/{container}"

    def _guarded(self, droplet: str) -> Docker:
        """Commands that change something run only under this executor's hold of the lock."""
        guard = self._guards.get(droplet)
        if guard is None:
            raise Permanent(f"The deploy lock of {droplet} is not held.")
        return self._docker.guarded(guard)
