"""What a droplet's things are called in a swarm, and the labels that say on which machines they may run."""

from __future__ import annotations

OWNER, RELEASE, DROPLET = "fpai.owner", "fpai.release", "fpai.droplet"
BUILD, COMMIT = "fpai.build", "fpai.commit"


def service_name(droplet: str) -> str:
    """The service whose tasks are the droplet's replicas; also its name in the swarm's DNS."""
    return f"fpai-{droplet}"


def edge_service_name(droplet: str) -> str:
    """The global service before it; no droplet's own service can have such a name."""
    return f"fpaiedge-{droplet}"


def network_name(droplet: str) -> str:
    """The overlay network that the droplet's tasks and its edge have to themselves.

    One for each: droplets do not reach each other's tasks, and a swarm gives a network only 254 addresses.
    """
    return f"fpai-{droplet}"


def host_label(owner: str) -> str:
    """The node label that holds the NAME which this executor's configuration gives to the machine."""
    return f"fpai.host.{owner}"


def edge_label(owner: str) -> str:
    """The node label of machines that have this executor's edge image."""
    return f"fpai.edge.{owner}"


def image_label(droplet: str) -> str:
    """The node label of machines that have the droplet's image; its value is the owner."""
    return f"fpai.image.{droplet}"
