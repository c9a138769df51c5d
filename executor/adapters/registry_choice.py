"""Which registry a configuration means, under which mark, and which addresses may be told to it."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp

from executor.adapters.registry import CoreRegistry
from executor.adapters.registry_entry import Registry
from executor.adapters.registry_numbered import NumberedRegistry
from executor.settings import Configuration


def registry_of(session: aiohttp.ClientSession, configuration: Configuration) -> Registry | None:
    """The registry that droplets are registered with; None where no `[registry] url` is set."""
    return _registry(session, configuration, f"executor-{configuration.settings.server.droplet_id}")


def own_registry_of(session: aiohttp.ClientSession, configuration: Configuration) -> Registry | None:
    """The same registry for the executor's own entry.

    It goes under a mark of its own, so to every build that entry is foreign and can never be built over.
    """
    return _registry(session, configuration, f"executor-{configuration.settings.server.droplet_id}-itself")


def _registry(session: aiohttp.ClientSession, configuration: Configuration, mark: str) -> Registry | None:
    table, token = configuration.settings.registry, configuration.secrets.get("REGISTRY_TOKEN") or None
    if not table.url:
        return None
    if table.flavour == "numbered":
        return NumberedRegistry(session, table.url, token, executor=mark)
    return CoreRegistry(session, table.url, token, executor=mark)


def out_of_reach(endpoint: str, registry_url: str) -> bool:
    """Whether `endpoint` is a loopback address, which means another machine to those who read it there."""
    return _is_loopback(endpoint) and not _is_loopback(registry_url)


def _is_loopback(url: str) -> bool:
    host = (urlsplit(url).hostname or "").removesuffix(".")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
