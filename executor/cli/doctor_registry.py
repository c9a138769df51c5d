"""The check of `fpai doctor` that asks the configured registry who is listed under the executor's number."""

from __future__ import annotations

import asyncio

import aiohttp

from executor.adapters.registry_choice import out_of_reach, own_registry_of
from executor.adapters.registry_entry import KnownDroplet
from executor.cli.doctor import Check
from executor.engine.own_entry import OWN_NAME
from executor.errors import ExecutorError, Transient
from executor.settings import Configuration

_PATIENCE = 8.0


def examine_registry(configuration: Configuration) -> Check:
    """Read its list; what keeps builds from registering fails, what only hides the executor warns."""
    if not configuration.settings.registry.url:
        return Check("registry", "ok", "built-in only; [registry] url adds the ecosystem's Registry")
    return asyncio.run(_examined(configuration))


async def _examined(configuration: Configuration) -> Check:
    settings = configuration.settings
    url, own_id = settings.registry.url, settings.server.droplet_id
    try:
        known = await _known(configuration)
    except Transient as away:
        fix = "Builds wait at step 7 until it answers; check [registry] url."
        return Check("registry", "warn", f"{url}: {away.message}", fix)
    except ExecutorError as error:
        return Check("registry", "fail", f"{url}: {error.message}", error.hint)
    if other := next((e for e in known if _in_the_way(e, own_id)), None):
        says = (
            f"{url} lists {other.name} as droplet {other.id}; this executor, droplet {own_id}, is not there"
        )
        fix = "Set [server] droplet_id to a free number, or remove the other entry."
        return Check("registry", "warn", says, fix)
    if out_of_reach(configuration.base_url, url):
        says = f"{url} answers, but {configuration.base_url} means another machine there"
        fix = "Set [server] public_url to the address by which others reach the executor."
        return Check("registry", "warn", says, fix)
    return Check("registry", "ok", f"{url} answers and lists {len(known)} droplets")


async def _known(configuration: Configuration) -> list[KnownDroplet]:
    async with aiohttp.ClientSession() as session:
        registry = own_registry_of(session, configuration)
        if registry is None:
            return []
        try:
            async with asyncio.timeout(_PATIENCE):
                return await registry.known()
        except TimeoutError as error:
            raise Transient(f"The Registry has not answered for {_PATIENCE:g} s.") from error


def _in_the_way(entry: KnownDroplet, own_id: int) -> bool:
    return not entry.ours and (entry.id == own_id or entry.name == OWN_NAME)
