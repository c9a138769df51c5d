"""Finding a free port for a release."""

from __future__ import annotations

import socket
from collections.abc import Collection

from executor.errors import Transient


def free_port(host: str, port_range: tuple[int, int], taken: Collection[int], last: object = None) -> int:
    """Return a port of the range that is free: `last`, where the release listened before, else the lowest.

    `taken` are the ports of releases that may not listen yet. Raises Transient if none is free.
    """
    low, high = port_range
    ports = list(range(low, high + 1))
    if isinstance(last, int) and last in ports:
        ports.insert(0, last)
    for port in ports:
        if port not in taken and _free(host, port):
            return port
    raise Transient(
        f"No port from {low} to {high} is free on {host}, so the release cannot be started.",
        hint="Widen [deploy] port_range, or end what listens there.",
    )


def _free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
