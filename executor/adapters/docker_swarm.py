"""A swarm through the docker command of one of its managers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from executor.adapters.docker_swarm_argv import ServiceSpec, create_argv, update_argv, with_variables
from executor.adapters.docker_swarm_errors import no_manager, swarm_error
from executor.adapters.docker_swarm_state import (
    Node,
    Service,
    Task,
    nodes_in,
    services_in,
    tasks_in,
)
from executor.adapters.machine import Machine
from executor.adapters.programs import Finished
from executor.errors import Conflict, ExecutorError, NotFound, Transient

_LOG_SECONDS = 15.0


class Swarm:
    """What is said here is said to `manager`; `guard` goes before every command that changes something.

    Every method raises Transient while the manager does not answer or the swarm has no leader, and Permanent
    when the host is no manager or refuses.
    """

    def __init__(self, manager: Machine, *, guard: Sequence[str] = ()) -> None:
        self._manager = manager
        self._guard = tuple(guard)

    def guarded(self, guard: Sequence[str]) -> Swarm:
        """The same swarm, changed only while the guard lets a command pass."""
        return Swarm(self._manager, guard=guard)

    async def node_id(self, machine: Machine) -> str:
        """The id under which a machine is in this or another swarm, empty if it is in none."""
        done = await machine.run(["docker", "info", "--format", "{{.Swarm.NodeID}}"])
        if done.code != 0:
            raise swarm_error(done, machine.name)
        return done.stdout.decode("utf-8", "replace").strip()

    async def checked(self) -> None:
        """Raise Permanent unless the machine is a manager of a swarm."""
        words = await self._asked(["docker", "info", "--format", "{{json .Swarm}}"])
        found = json.loads(words or "{}")
        if not found.get("ControlAvailable"):
            raise no_manager(self._manager.name, f"it is {found.get('LocalNodeState') or 'not known'} there")

    async def nodes(self) -> list[Node]:
        """All machines of the swarm."""
        ids = (await self._asked(["docker", "node", "ls", "--quiet"])).split()
        return nodes_in(await self._asked(["docker", "node", "inspect", *ids])) if ids else []

    async def service(self, name: str) -> Service | None:
        """The service of that name, None if there is none."""
        try:
            found = services_in(await self._asked(["docker", "service", "inspect", name]))
        except NotFound:
            return None
        return next((service for service in found if service.name == name), None)

    async def services(self) -> list[Service]:
        """All services of the swarm, whoever made them."""
        ids = (await self._asked(["docker", "service", "ls", "--quiet"])).split()
        if not ids:
            return []
        try:
            return services_in(await self._asked(["docker", "service", "inspect", *ids]))
        except NotFound as error:
            raise Transient("A service went away while the swarm was looked at.") from error

    async def tasks(self, service: str) -> list[Task]:
        """The tasks of a service, also the few ended ones that the swarm remembers."""
        try:
            ids = (await self._asked(["docker", "service", "ps", "--quiet", "--no-trunc", service])).split()
        except NotFound:
            return []
        return await self._inspected_tasks(ids) if ids else []

    async def _inspected_tasks(self, ids: Sequence[str]) -> list[Task]:
        # The oldest may be forgotten between the two questions: the others are printed all the same.
        done = await self._manager.run(["docker", "inspect", "--type", "task", *ids])
        if done.code != 0 and not isinstance(swarm_error(done, self._manager.name), NotFound):
            raise swarm_error(done, self._manager.name)
        return tasks_in(done.stdout.decode("utf-8", "replace"))

    async def create(self, spec: ServiceSpec, env_file: str | None = None) -> None:
        """Make a service, its variables' values read from that file of the manager; returns at once.

        Raises Conflict (NAME_TAKEN) if there is one of that name, Transient if its network is just going.
        """
        try:
            await self._change(create_argv(spec), env_file)
        except NotFound as error:
            raise Transient(
                f"The swarm cannot make {spec.name} yet: {error.message}", hint="The step is tried again."
            ) from error

    async def update(self, spec: ServiceSpec, now: Service, env_file: str | None = None) -> None:
        """Bring a service to `spec`, task by task; returns at once. `now` is what it is at present."""
        await self._change(update_argv(spec, variables=now.variables, configs=now.configs), env_file)

    async def rollback(self, name: str) -> None:
        """Bring back the spec before the last update; returns at once."""
        await self._change(["docker", "service", "rollback", "--detach", name])

    async def remove(self, name: str) -> None:
        """Take a service away; one that is gone is no error. Its tasks end within their grace period."""
        await self._unless_gone(["docker", "service", "rm", name])

    async def config(self, name: str, content: bytes, labels: Mapping[str, str]) -> None:
        """Make a config object of the swarm; one of that name is kept, for its name tells its content."""
        given = [word for item in sorted(labels.items()) for word in ("--label", "=".join(item))]
        await self._unless_there(["docker", "config", "create", *given, name, "-"], stdin=content)

    async def configs(self, labels: Mapping[str, str]) -> list[str]:
        """The names of the config objects with these labels."""
        wanted = [word for item in sorted(labels.items()) for word in ("--filter", "label=" + "=".join(item))]
        return (await self._asked(["docker", "config", "ls", "--format", "{{.Name}}", *wanted])).split()

    async def remove_config(self, name: str) -> None:
        """Take a config object away; one that is gone is no error."""
        await self._unless_gone(["docker", "config", "rm", name])

    async def network(self, name: str, labels: Mapping[str, str]) -> None:
        """Make an overlay network that only services join, unless it is there."""
        scope = await self._scope(name)
        if scope not in ("", "swarm"):
            raise Conflict(
                f"There is a network {name} on {self._manager.name} that is not the swarm's.",
                hint=f"Remove it: docker network rm {name}.",
            )
        if scope:
            return
        given = [word for item in sorted(labels.items()) for word in ("--label", "=".join(item))]
        await self._unless_there(["docker", "network", "create", "--driver", "overlay", *given, name])

    async def remove_network(self, name: str) -> bool:
        """Take a network away; True once it is gone, False while tasks that end are still on it."""
        try:
            await self._unless_gone(["docker", "network", "rm", name])
        except Transient as error:
            if error.code != "IN_USE":
                raise
        return not await self._scope(name)

    async def _scope(self, network: str) -> str:
        argv = ["docker", "network", "inspect", "--format", "{{.Scope}}", network]
        try:
            return await self._asked(argv)
        except NotFound:
            return ""

    async def label_node(self, node: str, added: Mapping[str, str], gone: Sequence[str] = ()) -> None:
        """Write labels on a machine of the swarm and take others away; `gone` are keys that it has."""
        words = [word for item in sorted(added.items()) for word in ("--label-add", "=".join(item))]
        words += [word for key in gone for word in ("--label-rm", key)]
        if words:
            await self._change(["docker", "node", "update", *words, node])

    async def logs(self, name: str, lines: int) -> str:
        """The last lines that a service or one task printed, or why they cannot be had."""
        argv = ["docker", "service", "logs", "--no-trunc", "--tail", str(lines), name]
        try:
            done = await self._manager.run(argv, timeout=_LOG_SECONDS)
        except Transient as error:  # a machine that is off is asked for its lines, and waited for
            return f"(no log: {error.message})"
        return (done.stdout + done.stderr).decode("utf-8", "replace").strip()

    async def _unless_gone(self, argv: Sequence[str]) -> None:
        try:
            await self._change(argv)
        except NotFound:
            return

    async def _unless_there(self, argv: Sequence[str], *, stdin: bytes = b"") -> None:
        try:
            await self._change(argv, stdin=stdin)
        except Conflict as error:
            if error.code != "NAME_TAKEN":
                raise

    async def _change(self, argv: Sequence[str], env_file: str | None = None, *, stdin: bytes = b"") -> None:
        words = with_variables(env_file, argv) if env_file else list(argv)
        done = await self._manager.run([*self._guard, *words], stdin=stdin)
        if done.code != 0:
            raise self._error(done)

    async def _asked(self, argv: Sequence[str]) -> str:
        done = await self._manager.run(argv)
        if done.code != 0:
            raise self._error(done)
        return done.stdout.decode("utf-8", "replace").strip()

    def _error(self, done: Finished) -> ExecutorError:
        return swarm_error(done, self._manager.name)
