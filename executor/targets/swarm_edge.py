"""The proxy before one droplet in a swarm: one task on each machine, all behind the same port.

It follows the service's name in Docker's DNS by itself, so it is made once for a droplet and no release
touches it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from executor.adapters.docker_swarm import Swarm
from executor.adapters.docker_swarm_argv import Rolling, ServiceSpec
from executor.adapters.docker_swarm_state import Service, Task
from executor.errors import Conflict, ExecutorError, Transient
from executor.targets.edge_config import INSIDE_PORT
from executor.targets.swarm_edge_config import config_for_service
from executor.targets.swarm_names import (
    DROPLET,
    OWNER,
    edge_label,
    edge_service_name,
    network_name,
    service_name,
)
from executor.targets.swarm_nodes import Seat

_CONFIG_PATH = "/etc/fpai-edge.cfg"
_NOBODY = "65534:65534"
_FEWEST_PLACES = 20
_PORT_TAKEN = re.compile(
    r"host-mode port already in use|port is already allocated|address already in use", re.I
)
_LISTENS = "0A"


class SwarmEdge:
    """The edges of one swarm. `patience` is how many seconds the tasks of a new one may take to run."""

    def __init__(
        self,
        *,
        owner: str,
        port_range: tuple[int, int],
        replicas: int,
        memory: int = 64 << 20,
        patience: float = 30.0,
        pause: float = 0.3,
    ) -> None:
        self._owner = owner
        self._port_range = port_range
        self._places = max(_FEWEST_PLACES, 2 * replicas)
        self._memory = memory
        self._patience = patience
        self._pause = pause

    async def port(self, swarm: Swarm, droplet: str) -> int | None:
        """The port on every machine behind which the droplet is, None if it has no edge."""
        found = await swarm.service(edge_service_name(droplet))
        return found.published[0] if found and found.published else None

    @asynccontextmanager
    async def reached(self, seat: Seat, port: int) -> AsyncIterator[str]:
        """The address by which this process reaches the edge of one machine."""
        async with seat.machine.reach("127.0.0.1", port) as url:
            yield url

    async def checked_owner(self, swarm: Swarm, droplet: str) -> None:
        """Raise Conflict when another executor has a droplet of this name in the swarm."""
        for name in (edge_service_name(droplet), service_name(droplet)):
            refuse_foreign(await swarm.service(name), self._owner, droplet)

    async def ensured(self, swarm: Swarm, droplet: str, image: str, seats: Sequence[Seat]) -> int:
        """Return the droplet's port once its edge runs on all these machines; it is made if it is not there.

        One that was made of another image or configuration is brought up to date, one machine after another:
        the only time at which a machine's port is closed for a moment. Raises Transient if no port is free.
        """
        config = await self._config(swarm, droplet)
        new = await swarm.service(service_name(droplet)) is None  # nobody has been told of its port yet
        tried: set[int] = set()
        while True:
            found = await swarm.service(edge_service_name(droplet))
            refuse_foreign(found, self._owner, droplet)
            port = found.published[0] if found and found.published else await self._free(swarm, seats, tried)
            spec = self._spec(droplet, image, config, port)
            if found is None:
                await swarm.create(spec)
            elif found.image != image or found.configs != (config,):
                await swarm.update(spec, found)
            if await self._runs(swarm, droplet, seats, new=new):
                await self._swept(swarm, droplet, config)
                return port
            tried.add(port)
            await swarm.remove(edge_service_name(droplet))

    async def remove(self, swarm: Swarm, droplet: str) -> None:
        """Take the edge and its configuration away; the port is free again."""
        found = await swarm.service(edge_service_name(droplet))
        refuse_foreign(found, self._owner, droplet)
        await swarm.remove(edge_service_name(droplet))
        await self._swept(swarm, droplet, "")

    async def _runs(self, swarm: Swarm, droplet: str, seats: Sequence[Seat], *, new: bool) -> bool:
        """True once a task runs on every machine; False if a new one's port belongs to somebody else on one.

        The port of one that has served is never given up: then only Transient is raised.
        """
        until = asyncio.get_running_loop().time() + self._patience
        while True:
            tasks = await swarm.tasks(edge_service_name(droplet))
            running = {task.node for task in tasks if task.runs}
            missing = [seat for seat in seats if seat.node.id not in running]
            if not missing:
                return True
            if new and any(_PORT_TAKEN.search(task.problem) for task in tasks):
                return False
            if asyncio.get_running_loop().time() > until:
                raise _stuck(droplet, missing, tasks)
            await asyncio.sleep(self._pause)

    async def _free(self, swarm: Swarm, seats: Sequence[Seat], tried: set[int]) -> int:
        taken = {port for service in await swarm.services() for port in service.published} | tried
        for seat in seats:
            taken |= await _listening(seat)
        low, high = self._port_range
        for port in range(low, high + 1):
            if port not in taken:
                return port
        raise Transient(
            f"No port of {low}-{high} is free on every machine of the swarm.",
            hint="Widen [deploy] port_range, or withdraw a droplet; this build goes on by itself.",
        )

    async def _config(self, swarm: Swarm, droplet: str) -> str:
        """Make the configuration's object, named by its content, for such objects never change."""
        text = config_for_service(service_name(droplet), self._places).encode()
        name = f"fpai-{droplet}-{hashlib.sha256(text).hexdigest()[:12]}"
        await swarm.config(name, text, {OWNER: self._owner, DROPLET: droplet})
        return name

    async def _swept(self, swarm: Swarm, droplet: str, keep: str) -> None:
        for name in await swarm.configs({OWNER: self._owner, DROPLET: droplet}):
            if name == keep:
                continue
            try:
                await swarm.remove_config(name)
            except Transient as error:
                if error.code != "IN_USE":  # by the spec that a rollback of the edge would bring back
                    raise

    def _spec(self, droplet: str, image: str, config: str, port: int) -> ServiceSpec:
        return ServiceSpec(
            name=edge_service_name(droplet),
            image=image,
            network=network_name(droplet),
            memory_bytes=self._memory,
            pids=64,
            labels={OWNER: self._owner, DROPLET: droplet},
            constraints=(f"node.labels.{edge_label(self._owner)}==yes",),
            configs=((config, _CONFIG_PATH),),
            publish=((port, INSIDE_PORT),),
            tmpfs_bytes=1 << 20,
            user=_NOBODY,
            entrypoint="haproxy",
            command=("-W", "-db", "-f", _CONFIG_PATH),
            restart_delay=1,
            rolling=Rolling(order="stop-first"),
        )


def refuse_foreign(found: Service | None, owner: str, droplet: str) -> None:
    """Raise Conflict when a service is not this executor's."""
    if found is None or found.labels.get(OWNER) == owner:
        return
    raise Conflict(
        f"Another executor ({found.labels.get(OWNER, 'unknown')}) runs a droplet {droplet} in this swarm.",
        hint="Deploy to another swarm, or choose another droplet_name.",
        code="DROPLET_TAKEN",
    )


async def _listening(seat: Seat) -> set[int]:
    """The TCP ports on which something listens there, also what is not the swarm's."""
    done = await seat.machine.run(["cat", "/proc/net/tcp", "/proc/net/tcp6"])
    rows = [line.split() for line in done.stdout.decode("ascii", "replace").splitlines()]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if len(row) > 3 and row[3] == _LISTENS}


def _stuck(droplet: str, missing: Sequence[Seat], tasks: Sequence[Task]) -> ExecutorError:
    names = ", ".join(seat.machine.name for seat in missing)
    problems = sorted({task.problem for task in tasks if task.problem})
    return Transient(
        f"The edge proxy of {droplet} does not run on {names}: {'; '.join(problems) or 'no task came up'}.",
        hint=f"See `docker service ps --no-trunc {edge_service_name(droplet)}` on the manager.",
    )
