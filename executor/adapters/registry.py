"""The core Registry: who is known under which number and name (ecosystem.md section 2.1).

Its uniqueness is by name only: posting a used id under a new name silently replaces the other droplet. So
every write here looks first, and writes only what is free or carries this executor's mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

from executor.adapters.http import JsonService, Reply
from executor.errors import Conflict, Permanent

MARK = "fpai"


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """What the registry is told of one droplet; `metadata` joins what others have written there."""

    id: int
    name: str
    endpoint: str
    build_id: str
    release: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KnownDroplet:
    """One registered droplet; `ours` when it carries this executor's mark."""

    id: int
    name: str
    endpoint: str
    ours: bool
    status: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Registered:
    """The entry as it stands now; `created` is False when an entry of ours was brought up to date."""

    id: int
    name: str
    created: bool


class Registry(Protocol):
    """What a build needs of a registry. Every method raises Transient while it does not answer."""

    async def known(self) -> list[KnownDroplet]:
        """Every registered droplet."""
        ...

    async def register(self, entry: RegistryEntry) -> Registered:
        """Create the entry or bring ours up to date. Raises Conflict for a foreign one."""
        ...

    async def deregister(self, droplet_id: int, name: str) -> bool:
        """Remove our entry; False when there is none. Raises Conflict for a foreign one."""
        ...


class CoreRegistry:
    """`executor` is the mark by which entries are known as ours; two executors need two marks."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        token: str | None = None,
        *,
        executor: str = "fpai-executor",
        timeout: float = 10.0,
    ) -> None:
        self._service = JsonService(
            session, base_url, name="Registry", setting="[registry] url", token=token, timeout=timeout
        )
        self._executor = executor

    async def known(self) -> list[KnownDroplet]:
        """Every registered droplet with id, name, endpoint and whether it is ours."""
        reply = await self._service.call("GET", "/droplets")
        listed = reply.body.get("droplets")
        if not isinstance(listed, list):
            raise Permanent(
                "The Registry's list of droplets cannot be read.",
                hint="Is [registry] url that of a Registry?",
            )
        return [self._read(record) for record in listed]

    async def get(self, droplet_id: int) -> KnownDroplet | None:
        """The droplet under this id, None when there is none."""
        return self._one(await self._service.call("GET", f"/droplets/{droplet_id}", accept=(200, 404)))

    async def by_name(self, name: str) -> KnownDroplet | None:
        """The droplet of this name, None when there is none."""
        return self._one(await self._service.call("GET", f"/droplets/name/{name}", accept=(200, 404)))

    async def register(self, entry: RegistryEntry) -> Registered:
        """Upsert by probe: look under id and name, then POST what is free or PATCH what is ours.

        Doing it again, also after a reply that was lost, ends in the same entry. Raises Conflict and writes
        nothing when id or name belong to a droplet that is not ours.
        """
        found = self._same(await self.get(entry.id), entry) or self._same(
            await self.by_name(entry.name), entry
        )
        if found is not None:
            return await self._update(found, entry)
        reply = await self._service.call("POST", "/droplets", self._body(entry), accept=(200, 201, 409))
        if reply.status == 409:
            found = self._same(await self.by_name(entry.name), entry)
            if found is None:
                raise Conflict(
                    f"The Registry holds the name {entry.name} and does not show whose it is.",
                    hint="Try again, or choose another droplet_name.",
                )
            return await self._update(found, entry)
        return Registered(entry.id, entry.name, created=True)

    async def deregister(self, droplet_id: int, name: str) -> bool:
        """Remove the entry if it is ours; False when it is gone already.

        Raises Conflict when the id belongs to another droplet.
        """
        found = await self.get(droplet_id)
        if found is None:
            return False
        if found.name != name or not found.ours:
            raise _foreign(found, droplet_id, name)
        reply = await self._service.call("DELETE", f"/droplets/{droplet_id}", accept=(200, 204, 404))
        return reply.status != 404

    def _same(self, found: KnownDroplet | None, entry: RegistryEntry) -> KnownDroplet | None:
        """The entry that may be brought up to date; a droplet that registered itself is adopted."""
        if found is None:
            return None
        itself = MARK not in found.metadata and found.endpoint == entry.endpoint.rstrip("/")
        if found.id == entry.id and found.name == entry.name and (found.ours or itself):
            return found
        raise _foreign(found, entry.id, entry.name)

    async def _update(self, found: KnownDroplet, entry: RegistryEntry) -> Registered:
        body = self._body(entry)
        # PATCH replaces the metadata as a whole, so what others wrote is carried along.
        changes = {
            "status": "active",
            "endpoint": body["endpoint"],
            "metadata": {**found.metadata, **body["metadata"]},
        }
        await self._service.call("PATCH", f"/droplets/{found.id}", changes)
        return Registered(entry.id, entry.name, created=False)

    def _body(self, entry: RegistryEntry) -> dict[str, Any]:
        mark = {"executor": self._executor, "build_id": entry.build_id, "release": entry.release}
        return {
            "id": entry.id,
            "name": entry.name,
            # The Orchestrator joins endpoint and path without a separator.
            "endpoint": entry.endpoint.rstrip("/"),
            "metadata": {**entry.metadata, MARK: mark},
        }

    def _one(self, reply: Reply) -> KnownDroplet | None:
        return None if reply.status == 404 else self._read(reply.body.get("droplet"))

    def _read(self, record: Any) -> KnownDroplet:
        """Raises Permanent for a record without a whole number as id and a name."""
        try:
            metadata = record.get("metadata")
            kept = metadata if isinstance(metadata, dict) else {}
            return KnownDroplet(
                id=int(record["id"]),
                name=str(record["name"]),
                endpoint=str(record.get("endpoint") or "").rstrip("/"),
                ours=self._is_ours(kept.get(MARK)),
                status=str(record.get("status") or ""),
                metadata=kept,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Permanent(
                f"The Registry holds a droplet that cannot be read ({type(error).__name__}: {error}).",
                hint="Is [registry] url that of a core Registry?",
            ) from error

    def _is_ours(self, mark: Any) -> bool:
        return isinstance(mark, dict) and mark.get("executor") == self._executor


def _foreign(found: KnownDroplet, droplet_id: int, name: str) -> Conflict:
    return Conflict(
        f"The Registry holds {found.name} as droplet {found.id}, which this executor did not register; "
        f"{name} as droplet {droplet_id} was not written.",
        hint="Build it under another droplet_id and droplet_name, or remove the foreign entry.",
        code="DROPLET_TAKEN",
        details={"id": found.id, "name": found.name, "endpoint": found.endpoint},
    )
