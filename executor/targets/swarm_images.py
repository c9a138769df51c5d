"""The images of a swarm's releases: built here, brought to each machine, kept there for a rollback."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import structlog

from executor.adapters.docker import Docker, Image
from executor.adapters.machine import Machine
from executor.errors import Permanent, ReleaseAtFault, Transient
from executor.targets.base import Doing, Release
from executor.targets.image import Images
from executor.targets.swarm_names import RELEASE
from executor.targets.swarm_nodes import Seat

log = structlog.get_logger(__name__)


class SwarmImages:
    """`edge_image` is what the droplets' proxies are made of."""

    def __init__(self, images: Images, edge_image: str) -> None:
        self._images = images
        self._edge_image = edge_image

    async def brought(self, release: Release, seats: Sequence[Seat], doing: Doing) -> None:
        """Build the release's image unless it is there, and bring it and the edge's to every machine.

        Raises ReleaseAtFault when it cannot be built or has no HEALTHCHECK, Permanent when neither image nor
        source are left.
        """
        if release.source.is_dir():
            image = await self._images.built(release, doing)
        else:
            image = await self.kept(release.id, seats)
        for seat in seats:
            docker = Docker(seat.machine)
            await self._images.shipped(image, docker, seat.machine, doing)
            await self._images.edge_shipped(self._edge_image, docker, seat.machine, doing)
        await _refuse_without_health(seats[0], image)
        await self._refuse_different_edges(seats)

    async def kept(self, release_id: str, seats: Sequence[Seat]) -> Image:
        """The image of a release that one of the machines has. Raises Permanent if none has it."""
        for seat in seats:
            if found := await Docker(seat.machine).images({RELEASE: release_id}):
                return found[0]
        raise Permanent(
            f"The image of release {release_id} is not kept any more on any machine of the swarm.",
            hint="Build the droplet again; [deploy] keep says how many releases are kept.",
        )

    async def edge_id(self, seat: Seat) -> str:
        """The id of the edge's image on a machine. Raises Transient when it is not there."""
        found = await Docker(seat.machine).image(self._edge_image)
        if found is None:
            raise Transient(
                f"The edge image {self._edge_image} is not on {seat.machine.name} any more.",
                hint="The next deploy brings it there.",
            )
        return found.id

    async def pruned(self, machines: Iterable[Machine], droplet: str, keep: frozenset[str]) -> None:
        """Remove the images of releases that are not kept, on every machine that answers."""
        for machine in machines:
            try:
                await self._images.pruned(Docker(machine), droplet, keep)
            except Transient as error:  # it is off: its images are pruned after the next release
                log.warning("images_not_pruned", machine=machine.name, droplet=droplet, reason=error.message)

    async def _refuse_different_edges(self, seats: Sequence[Seat]) -> None:
        ids = {seat.machine.name: await self.edge_id(seat) for seat in seats}
        if len(set(ids.values())) > 1:
            raise Permanent(
                f"The machines of the swarm hold different images called {self._edge_image}: {ids}.",
                hint=f"Remove the wrong ones (docker rmi {self._edge_image}); the right one is sent again.",
            )


async def _refuse_without_health(seat: Seat, image: Image) -> None:
    argv = ["docker", "image", "inspect", "--format", "{{json .Config.Healthcheck}}", image.id]
    done = await seat.machine.run(argv)
    check = json.loads(done.stdout) if done.code == 0 else None
    if not check or (check.get("Test") or ["NONE"])[0] == "NONE":
        raise ReleaseAtFault(
            "The Dockerfile has no HEALTHCHECK, and a swarm's rolling update is decided by it.",
            hint="Add a HEALTHCHECK that asks /health on $SERVICE_PORT, as the template's does.",
        )
