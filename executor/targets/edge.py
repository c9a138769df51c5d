"""The proxy before one droplet on one machine: it holds the port that people use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from executor.adapters.docker import Container, Docker
from executor.adapters.docker_argv import ContainerSpec
from executor.adapters.machine import Machine
from executor.errors import Conflict, Permanent, Transient
from executor.targets.container_names import DROPLET, NETWORK, OWNER, droplet_dir, edge_name
from executor.targets.edge_config import INSIDE_PORT, config_for, config_on_trial, served_by

_INSIDE = "/etc/fpai-edge"
_NOBODY = "65534:65534"
_OLD_WORKERS_SECONDS = 35.0  # a little longer than the configuration's hard-stop-after
_MASTER_AND_WORKER = 2
_PORT = """
set -eu
exec 9>"$1/ports.guard"; flock -w 20 9
mine=$1/droplets/$2/port
mkdir -p "$1/droplets/$2"
if [ -s "$mine" ] && [ "$5" = keep ]; then cat "$mine"; exit 0; fi
[ ! -s "$mine" ] || cat "$mine" >>"$1/droplets/$2/ports.refused"
port=$3
while [ "$port" -le "$4" ]; do
    if ! grep -qx "$port" "$1"/droplets/*/port "$1/droplets/$2/ports.refused" 2>/dev/null; then
        echo "$port" >"$mine.part"; sync "$mine.part"; mv "$mine.part" "$mine"; echo "$port"; exit 0
    fi
    port=$((port + 1))
done
rm -f "$1/droplets/$2/ports.refused"
echo none
"""


class Edge:
    """The edges of one machine. `owner` is this executor's mark; `port_range` includes both ends."""

    def __init__(
        self, machine: Machine, *, image: str, owner: str, port_range: tuple[int, int], memory: int = 64 << 20
    ) -> None:
        self._machine = machine
        self._image = image
        self._owner = owner
        self._port_range = port_range
        self._memory = memory
        # A machine that is not this one is there for others; this one only where its droplets are loopback's.
        self._published = "127.0.0.1:" if machine.address == "127.0.0.1" else ""

    async def port(self, droplet: str, *, other: bool = False) -> int:
        """The droplet's port on this machine, chosen once; with `other` a new one, for the last was taken.

        Raises Transient when the whole range is in use.
        """
        low, high = self._port_range
        words = [await self._machine.root(), droplet, str(low), str(high), "other" if other else "keep"]
        done = await self._machine.run(["sh", "-c", _PORT, "fpai", *words], timeout=40.0)
        said = done.stdout.decode("utf-8", "replace").strip()
        if done.code == 0 and said.isdecimal():
            return int(said)
        raise Transient(
            f"No port of {low}-{high} is free on {self._machine.name}. {done.error_text}".strip(),
            hint="Widen [deploy] port_range, or withdraw a droplet; this build goes on by itself.",
        )

    async def url(self, droplet: str) -> str:
        """The address that people use."""
        return f"http://{self._machine.address}:{await self.port(droplet)}"

    @asynccontextmanager
    async def reached(self, droplet: str) -> AsyncIterator[str]:
        """The address by which this process reaches the edge, whatever lies between."""
        port = await self.port(droplet)
        async with self._machine.reach("127.0.0.1", port) as url:
            yield url

    async def serves(self, droplet: str) -> str | None:
        """The container that the edge sends requests to, as its configuration says."""
        done = await self._machine.run(["cat", await self._config(droplet)])
        return served_by(done.stdout.decode("utf-8", "replace")) if done.code == 0 else None

    async def point(
        self, docker: Docker, droplet: str, container: str, *, earlier: str | None = None
    ) -> None:
        """Send requests to this container from now on; the edge is made if it is not there.

        With `earlier` it is on trial: should it fail, that one takes the requests. Requests under way end
        where they began. Raises Permanent when the proxy refuses its configuration.
        """
        config = config_on_trial(container, earlier) if earlier else config_for(container)
        where = f"{await droplet_dir(self._machine, droplet)}/edge"
        # The proxy is nobody there, and a part of the host's own tree is its whole view.
        await self._machine.run(["install", "-d", "-m", "755", where])
        await self._machine.write(f"{where}/haproxy.cfg", config.encode(), mode=0o644)
        found = await docker.container(edge_name(droplet))
        if found is None or not found.running:
            await self._made(docker, droplet, found)
            return
        _refuse_foreign(found, self._owner, droplet)
        checked = await docker.execute(found.name, ["haproxy", "-c", "-f", f"{_INSIDE}/haproxy.cfg"])
        if checked.code != 0:
            raise Permanent(
                f"The edge proxy of {droplet} refuses its configuration: {checked.error_text[-500:]}",
                hint="Is [deploy] edge an image of HAProxy 2.4 or newer?",
            )
        await docker.kill(found.name, "USR2")

    async def trouble(self, docker: Docker, droplet: str) -> Permanent | None:
        """Why the proxy itself does not work, None when it runs: then what it leads to is at fault."""
        found = await docker.container(edge_name(droplet))
        if found is not None and found.running and not found.restarts:
            return None
        said = await docker.logs(edge_name(droplet), 10)
        return Permanent(
            f"The edge proxy of {droplet} does not run on {self._machine.name}: {said.strip()[-600:]}",
            hint="Is [deploy] edge an image of HAProxy 2.4 or newer? The release itself was well.",
            code="EDGE_DOWN",
        )

    async def settled(self, docker: Docker, droplet: str) -> None:
        """Return when requests that began before the last switch have ended, or were cut off after 30 s."""
        until = asyncio.get_running_loop().time() + _OLD_WORKERS_SECONDS
        while await docker.processes(edge_name(droplet)) > _MASTER_AND_WORKER:
            if asyncio.get_running_loop().time() > until:
                return
            await asyncio.sleep(0.2)

    async def remove(self, docker: Docker, droplet: str) -> None:
        """Take the edge away and give its port back."""
        found = await docker.container(edge_name(droplet))
        if found is not None:
            _refuse_foreign(found, self._owner, droplet)
            await docker.remove(found.name)
        where = await droplet_dir(self._machine, droplet)
        await self._machine.run(["rm", "-rf", f"{where}/edge", f"{where}/port", f"{where}/ports.refused"])

    async def checked_owner(self, docker: Docker, droplet: str) -> None:
        """Raise Conflict when another executor runs a droplet of this name here."""
        found = await docker.container(edge_name(droplet))
        if found is not None:
            _refuse_foreign(found, self._owner, droplet)

    async def _made(self, docker: Docker, droplet: str, found: Container | None) -> None:
        if found is not None:
            _refuse_foreign(found, self._owner, droplet)
            await docker.remove(found.name)
        port = await self.port(droplet)
        low, high = self._port_range
        for _ in range(min(20, high - low + 1)):
            try:
                await docker.run(await self._spec(droplet, port))
            except Transient as error:
                if error.code != "PORT_TAKEN":
                    raise
                await docker.remove(edge_name(droplet))
                port = await self.port(droplet, other=True)
            else:
                return
        raise Transient(f"Every port that was tried on {self._machine.name} is taken by another program.")

    async def _spec(self, droplet: str, port: int) -> ContainerSpec:
        where = await droplet_dir(self._machine, droplet)
        return ContainerSpec(
            name=edge_name(droplet),
            image=self._image,
            network=NETWORK,
            labels={OWNER: self._owner, DROPLET: droplet},
            env_file=None,
            volumes=(),
            mounts=(f"{where}/edge:{_INSIDE}:ro",),
            publish=(f"{self._published}{port}:{INSIDE_PORT}",),
            memory_bytes=self._memory,
            pids=64,
            read_only=True,
            user=_NOBODY,
            entrypoint="haproxy",
            command=("-W", "-db", "-f", f"{_INSIDE}/haproxy.cfg"),
        )

    async def _config(self, droplet: str) -> str:
        return f"{await droplet_dir(self._machine, droplet)}/edge/haproxy.cfg"


def _refuse_foreign(found: Container, owner: str, droplet: str) -> None:
    if found.labels.get(OWNER) == owner:
        return
    raise Conflict(
        f"Another executor ({found.labels.get(OWNER, 'unknown')}) runs a droplet {droplet} on this machine.",
        hint="Deploy to another host, or choose another droplet_name.",
        code="DROPLET_TAKEN",
    )
