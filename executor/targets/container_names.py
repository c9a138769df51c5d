"""What a droplet's things are called on a machine with Docker."""

from __future__ import annotations

import hashlib

from executor.adapters.machine import Machine

NETWORK = "fpai"
OWNER, RELEASE, DROPLET = "fpai.owner", "fpai.release", "fpai.droplet"
"""Labels: the executor that made it, the release that it is, the droplet that it belongs to."""


def container_name(droplet: str, release_id: str) -> str:
    """The container of a release, which is also its name in DNS and so has at most 63 characters."""
    return f"fpai-{droplet[:40].rstrip('-')}-{hashlib.sha256(release_id.encode()).hexdigest()[:12]}"


def edge_name(droplet: str) -> str:
    """The container of the proxy before a droplet."""
    return f"fpai-edge-{droplet[:40].rstrip('-')}"


def data_volume(droplet: str) -> str:
    """The volume that every release of a droplet keeps its data in."""
    return f"fpai-{droplet}-data"


async def droplet_dir(machine: Machine, droplet: str) -> str:
    """The directory of a droplet's files on that machine."""
    return f"{await machine.root()}/droplets/{droplet}"
