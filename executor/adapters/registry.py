"""The core Registry: who is known under which number and name (ecosystem.md section 2.1).

Its uniqueness is by name only: posting a used id under a new name silently replaces the other droplet. So
every write here looks first, and writes only what is free or carries this executor's mark.
"""

from __future__ import annotations

from typing import Any

import aiohttp

from executor.adapters.http import JsonService, Reply
from executor.adapters.registry_entry import (
    MARK,
    KnownDroplet,
    Load,
    Registered,
    Registry,
    RegistryEntry,
    Ways,
    foreign,
)
from executor.errors import Conflict, Permanent

__all__ = ["CoreRegistry", "KnownDroplet", "Registered", "Registry", "RegistryEntry"]


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
            session,
            base_url,
            name="Registry",
            setting="[registry] url",
            token=token,
            credential="REGISTRY_TOKEN",
            timeout=timeout,
        )
        self._executor = executor
        self._ways = Ways("the core Registry", base_url)

    @property
    def ways(self) -> Ways:
        """It can do all that is asked of it."""
        return self._ways

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
            raise foreign(found, droplet_id, name)
        reply = await self._service.call("DELETE", f"/droplets/{droplet_id}", accept=(200, 204, 404))
        return reply.status != 404

    def stands(self, found: KnownDroplet, entry: RegistryEntry) -> bool:
        """Whether the entry is this release's, at its address, with everything that `entry` tells."""
        mark = found.metadata.get(MARK)
        return (
            found.ours
            and isinstance(mark, dict)
            and (found.name, found.endpoint) == (entry.name, entry.endpoint.rstrip("/"))
            and mark.get("release") == entry.release
            and all(found.metadata.get(key) == value for key, value in entry.metadata.items())
        )

    async def set_status(self, droplet_id: int, name: str, status: str) -> None:
        """Note active, inactive or error on our entry; nothing happens when it is gone."""
        found = await self.get(droplet_id)
        if found is None or found.status == status:
            return
        if found.name != name or not found.ours:
            raise foreign(found, droplet_id, name)
        await self._service.call("PATCH", f"/droplets/{droplet_id}", {"status": status}, accept=(200, 404))

    async def heartbeat(self, found: KnownDroplet, load: Load) -> bool:
        """The core Registry takes no heartbeats (405); its status is set instead."""
        return True

    def _same(self, found: KnownDroplet | None, entry: RegistryEntry) -> KnownDroplet | None:
        """The entry that may be brought up to date; a droplet that registered itself is adopted."""
        if found is None:
            return None
        itself = MARK not in found.metadata and found.endpoint == entry.endpoint.rstrip("/")
        if found.id == entry.id and found.name == entry.name and (found.ours or itself):
            return found
        raise foreign(found, entry.id, entry.name)

    async def _update(self, found: KnownDroplet, entry: RegistryEntry) -> Registered:
        body = self._body(entry)
        # PATCH replaces the metadata as a whole: what others wrote is carried along, what an earlier release
        # of ours told of itself is not.
        told = _told(found)
        kept = {key: value for key, value in found.metadata.items() if key not in told}
        changes = {
            "status": "active",
            "endpoint": body["endpoint"],
            "metadata": {**kept, **body["metadata"]},
        }
        await self._service.call("PATCH", f"/droplets/{found.id}", changes)
        return Registered(entry.id, entry.name, created=False)

    def _body(self, entry: RegistryEntry) -> dict[str, Any]:
        mark = {
            "executor": self._executor,
            "build_id": entry.build_id,
            "release": entry.release,
            "keys": sorted(entry.metadata),
        }
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


def _told(found: KnownDroplet) -> frozenset[str]:
    """The keys of the metadata that an earlier registration of ours wrote."""
    mark = found.metadata.get(MARK)
    keys = mark.get("keys") if isinstance(mark, dict) else None
    return frozenset(str(key) for key in keys) if isinstance(keys, list) else frozenset()
