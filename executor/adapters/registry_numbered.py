"""The numbered droplets' Registry, droplet-1: who lives where, by heartbeat (ecosystem.md section 2.2).

Its ids are text, and a registration under a used id silently replaces what was there: so every write looks
first. It keeps no metadata: `role` carries this executor's mark, `env` says what became of the entry. It has
no port and no way to delete: `fqdn` is told as host:port, and a withdrawn entry stays, pointing nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from executor.adapters.http import JsonService
from executor.adapters.registry_entry import (
    MARK,
    KnownDroplet,
    Load,
    Registered,
    RegistryEntry,
    Ways,
    foreign,
)
from executor.errors import Permanent

_LIVE, _WITHDRAWN = "production", "withdrawn"
_NOWHERE = "withdrawn.invalid"
"""RFC 2606: a name that resolves nowhere. The old address may be another droplet's by now."""
_NUMBER = re.compile(r"(?:droplet-)?([1-9][0-9]{0,8})")
_STATUS = {"healthy": "active", "down": "error"}


class NumberedRegistry:
    """`executor` is the mark by which entries are known as ours; `key` goes as X-Registry-Key."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        key: str | None = None,
        *,
        executor: str = "fpai-executor",
        timeout: float = 10.0,
    ) -> None:
        self._service = JsonService(
            session,
            base_url,
            name="Registry",
            setting="[registry] url",
            headers={"X-Registry-Key": key} if key else None,
            credential="REGISTRY_TOKEN",
            timeout=timeout,
        )
        self._role = f"{MARK}:{executor}"
        self._ways = Ways(
            "the numbered Registry",
            base_url,
            beats=True,
            left_out="It keeps no metadata: capabilities, commit and build facts are not told there.",
            stays="It cannot delete: the entry stays there, marked as withdrawn and without an address, and"
            " counts as down when its heartbeats have been missing for three minutes.",
        )

    @property
    def ways(self) -> Ways:
        """It keeps no metadata and deletes nothing."""
        return self._ways

    async def known(self) -> list[KnownDroplet]:
        """Every registered droplet; a withdrawn one of ours is inactive and has no endpoint."""
        reply = await self._service.call("GET", "/registry/droplets", listed=True)
        listed = reply.items if reply.items is not None else reply.body.get("droplets")
        if not isinstance(listed, (list, tuple)):
            raise Permanent(
                "The Registry's list of droplets cannot be read.",
                hint='Is [registry] url that of droplet-1, and flavour = "numbered" right?',
            )
        return [self._read(record) for record in listed]

    async def register(self, entry: RegistryEntry) -> Registered:
        """Look under the number, then write; repeating updates.

        Doing it again, also after a reply that was lost, ends in the same entry. Raises Conflict and writes
        nothing when the number belongs to a droplet that is not ours.
        """
        found = await self._find(entry.id)
        if found is not None and not self._may_write(found, entry):
            raise foreign(found, entry.id, entry.name)
        body = {"id": _id_of(found, entry.id), **self._told(entry)}
        if found is not None and found.metadata.get("cost_hour") is not None:
            body["cost_hour"] = found.metadata["cost_hour"]
        await self._service.call("POST", "/registry/register", body, accept=(200, 201))
        return Registered(entry.id, entry.name, created=found is None)

    async def deregister(self, droplet_id: int, name: str) -> bool:
        """Mark our entry as withdrawn, since it cannot be deleted; False when there is none to mark.

        Raises Conflict when the number belongs to another droplet.
        """
        found = await self._find(droplet_id)
        if found is None or (found.ours and found.metadata.get("env") == _WITHDRAWN):
            return False
        if not found.ours or found.name != name:
            raise foreign(found, droplet_id, name)
        body = {
            "id": _id_of(found, droplet_id),
            "name": name,
            "role": self._role,
            "env": _WITHDRAWN,
            "fqdn": _NOWHERE,
            "ip": "",
        }
        await self._service.call("POST", "/registry/register", body, accept=(200, 201))
        return True

    def stands(self, found: KnownDroplet, entry: RegistryEntry) -> bool:
        """Whether name, address, role and env are as told, and the version where `entry` names one."""
        told = {key: value for key, value in self._told(entry).items() if value is not None}
        return found.ours and all(found.metadata.get(key) == value for key, value in told.items())

    async def set_status(self, droplet_id: int, name: str, status: str) -> None:
        """This Registry knows healthy and down alone, by the heartbeats that come or do not."""

    async def heartbeat(self, found: KnownDroplet, load: Load) -> bool:
        """Say that an entry of ours lives; False when the Registry does not know it (404)."""
        shares = {"cpu": load.cpu, "mem": load.mem, "disk": load.disk}
        known = {name: _percent(value) for name, value in shares.items() if value is not None}
        body = {"id": _id_of(found, found.id), **known}
        reply = await self._service.call("POST", "/registry/heartbeat", body, accept=(200, 404))
        return reply.status != 404

    async def _find(self, droplet_id: int) -> KnownDroplet | None:
        """The entry of that number: ours if there is one, else whoever holds it."""
        held = [droplet for droplet in await self.known() if droplet.id == droplet_id]
        return next((droplet for droplet in held if droplet.ours), held[0] if held else None)

    def _may_write(self, found: KnownDroplet, entry: RegistryEntry) -> bool:
        """Ours of that name, or a droplet that registered itself under this very name and address."""
        if found.name != entry.name:
            return False
        marked = str(found.metadata.get("role") or "").startswith(f"{MARK}:")
        return found.ours or (not marked and found.metadata.get("fqdn") == urlsplit(entry.endpoint).netloc)

    def _told(self, entry: RegistryEntry) -> dict[str, Any]:
        address = urlsplit(entry.endpoint)
        told = {"name": entry.name, "fqdn": address.netloc, "role": self._role, "env": _LIVE}
        if ip := _ip(address.hostname or ""):
            told["ip"] = ip
        if version := entry.metadata.get("version"):
            told["version"] = str(version)
        return told

    def _read(self, record: Any) -> KnownDroplet:
        if not isinstance(record, Mapping):
            raise Permanent(
                f"The Registry holds a droplet that cannot be read ({type(record).__name__}).",
                hint='Is [registry] url that of droplet-1, and flavour = "numbered" right?',
            )
        text = str(record.get("id") or "")
        number = _NUMBER.fullmatch(text)
        ours = record.get("role") == self._role
        gone = ours and record.get("env") == _WITHDRAWN
        host = "" if gone else str(record.get("fqdn") or record.get("ip") or "")
        return KnownDroplet(
            id=int(number[1]) if number else 0,
            name=str(record.get("name") or text),
            endpoint=f"http://{host}" if host else "",
            ours=ours,
            status="inactive" if gone else _STATUS.get(str(record.get("status")), ""),
            metadata=dict(record),
        )


def _id_of(found: KnownDroplet | None, droplet_id: int) -> str:
    """The text that the Registry knows it by; `droplet-13` for a new one, as droplets call each other."""
    return str(found.metadata["id"]) if found is not None else f"droplet-{droplet_id}"


def _ip(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        return ""


def _percent(value: float) -> float:
    return round(min(100.0, max(0.0, value)), 1)
