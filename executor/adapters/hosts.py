"""The machines of `[deploy.hosts]`."""

from __future__ import annotations

from executor.adapters.ssh import SshMachine
from executor.settings_tables import Deploy


def host_machine(deploy: Deploy, name: str, *, connect_timeout: float = 10.0) -> SshMachine:
    """The machine of `[deploy.hosts.NAME]`; nothing is connected before its first use."""
    host = deploy.hosts[name]
    return SshMachine(
        name,
        host.address,
        port=host.port,
        user=host.user,
        key=host.key,
        known_hosts=host.known_hosts,
        connect_timeout=connect_timeout,
    )


def swarm_machines(deploy: Deploy) -> tuple[SshMachine, tuple[SshMachine, ...]]:
    """A manager of the swarm, and the nodes that images are sent to; the manager is often one of them."""
    names = deploy.nodes or tuple(deploy.hosts)
    manager = deploy.docker_host or names[0]
    machines = {name: host_machine(deploy, name) for name in dict.fromkeys((manager, *names))}
    return machines[manager], tuple(machines[name] for name in names)
