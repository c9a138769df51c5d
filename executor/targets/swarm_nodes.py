"""Which machine of the configuration is which node of the swarm, and which of them can take tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from executor.adapters.docker_swarm import Swarm
from executor.adapters.docker_swarm_state import Node
from executor.adapters.machine import Machine
from executor.errors import Permanent, Transient
from executor.targets.swarm_names import edge_label, host_label, image_label


@dataclass(frozen=True, slots=True)
class Seat:
    """A machine and the node that it is in the swarm."""

    machine: Machine
    node: Node


class SwarmNodes:
    """The machines that images are shipped to. `owner` is this executor's mark."""

    def __init__(self, machines: Sequence[Machine], owner: str) -> None:
        self._machines = tuple(machines)
        self._owner = owner

    async def met(self, swarm: Swarm) -> tuple[list[Seat], list[Machine]]:
        """Ask every machine which node it is, and note that on the node; also those that are down.

        Raises Transient for one that does not answer while the swarm counts on it, and when none is left;
        Permanent for one that is not in this swarm.
        """
        nodes = await swarm.nodes()
        seats, down = [], []
        for machine in self._machines:
            node = await self._node_of(swarm, machine, nodes)
            if not node.usable:
                down.append(machine)
                continue
            if node.labels.get(host_label(self._owner)) != machine.name:
                await swarm.label_node(node.id, {host_label(self._owner): machine.name})
            seats.append(Seat(machine, node))
        if not seats:
            raise Transient(
                "No machine of [deploy] nodes takes tasks now; the swarm says they are down or drained.",
                hint="See `docker node ls` on the manager; this build goes on by itself.",
            )
        return seats, down

    async def usable(self, swarm: Swarm) -> list[Seat]:
        """The machines that hold an edge and take tasks now, in the configuration's order.

        Asks the manager only. Raises Transient when there is none.
        """
        noted = {
            node.labels.get(host_label(self._owner)): node
            for node in await swarm.nodes()
            if node.usable and edge_label(self._owner) in node.labels
        }
        found = [Seat(machine, noted[machine.name]) for machine in self._machines if machine.name in noted]
        if not found:
            raise Transient(
                "No machine of [deploy] nodes that was deployed to takes tasks now.",
                hint="See `docker node ls` on the manager.",
            )
        return found

    async def shipped(self, swarm: Swarm, droplet: str, seats: Sequence[Seat]) -> None:
        """Let the droplet's tasks and its edge run on these machines and on no others of this executor's."""
        here = {seat.node.id for seat in seats}
        for node in await swarm.nodes():
            wanted = {image_label(droplet): self._owner, edge_label(self._owner): "yes"}
            if node.id not in here:
                await self._unlabelled(swarm, node, droplet)
            elif any(node.labels.get(key) != value for key, value in wanted.items()):
                await swarm.label_node(node.id, wanted)

    async def retired(self, swarm: Swarm, droplet: str) -> None:
        """Forget where the droplet's image was."""
        for node in await swarm.nodes():
            await self._unlabelled(swarm, node, droplet)

    async def _unlabelled(self, swarm: Swarm, node: Node, droplet: str) -> None:
        if node.labels.get(image_label(droplet)) == self._owner:
            await swarm.label_node(node.id, {}, [image_label(droplet)])

    async def _node_of(self, swarm: Swarm, machine: Machine, nodes: Sequence[Node]) -> Node:
        try:
            found = await swarm.node_id(machine)
        except Transient as error:
            known = self._remembered(machine, nodes)
            if known is None or known.state != "down":
                raise Transient(
                    f"{machine.name} does not answer, and the swarm still counts on it: {error.message}",
                    hint="The build goes on by itself when it answers, or when the swarm has given it up.",
                ) from error
            return known
        for node in nodes:
            if node.id == found:
                return node
        raise Permanent(
            f"{machine.name} is not a node of this swarm, so no image can be brought to it.",
            hint="Let it join: `docker swarm join-token worker` on the manager says how; or take it out of"
            " [deploy] nodes.",
            code="NOT_IN_SWARM",
        )

    def _remembered(self, machine: Machine, nodes: Sequence[Node]) -> Node | None:
        for node in nodes:
            if node.labels.get(host_label(self._owner)) == machine.name:
                return node
        return next((node for node in nodes if machine.address in (node.address, node.hostname)), None)
