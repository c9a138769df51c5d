"""droplet-1 on loopback, with its ways (ecosystem.md 2.2): ids are text, nothing is unique or ever deleted.

It keeps what it knows over a restart. A droplet is healthy while its last heartbeat is under 180 s old.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from tests.fakes.served_registry import Handler, ServedRegistry

COLUMNS = ("name", "fqdn", "ip", "role", "env", "version", "cost_hour")
DOWN_AFTER = 180


class FakeNumberedRegistry(ServedRegistry):
    """`droplets` is its memory by id, `beats` every heartbeat, `now` its clock; with `key` others are 401."""

    def __init__(self, key: str = "") -> None:
        super().__init__()
        self.key = key
        self.droplets: dict[str, dict[str, Any]] = {}
        self.beats: list[dict[str, Any]] = []
        self.now = 1_700_000_000.0
        self.in_object = False

    def add(self, droplet_id: str, **columns: Any) -> None:
        """An entry that somebody else wrote."""
        self._write(droplet_id, columns)

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get("/health", self._health),
            web.post("/registry/register", self._keyed(self._register)),
            web.post("/registry/heartbeat", self._keyed(self._heartbeat)),
            web.get("/registry/droplets", self._keyed(self._list)),
            web.get("/dashboard", self._dashboard),
        ]

    def _keyed(self, handler: Handler) -> Handler:
        async def checked(request: web.Request) -> web.Response:
            if self.key and request.headers.get("X-Registry-Key") != self.key:
                return web.json_response({"detail": "Invalid key"}, status=401)
            return await handler(request)

        return checked

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _register(self, request: web.Request) -> web.Response:
        body = await request.json()
        droplet_id = body.get("id") or body.get("fqdn")
        if not droplet_id:
            return web.json_response({"detail": "id or fqdn required"}, status=400)
        if not isinstance(droplet_id, str):
            return web.json_response({"detail": [{"loc": ["body", "id"], "msg": "str type"}]}, status=422)
        self._write(droplet_id, body)
        return web.json_response({"id": droplet_id}, status=201)

    async def _heartbeat(self, request: web.Request) -> web.Response:
        body = await request.json()
        if not body.get("id"):
            return web.json_response({"detail": "id required"}, status=400)
        record = self.droplets.get(body["id"])
        if record is None:
            return web.json_response({"detail": "unknown droplet"}, status=404)
        shares = {name: min(100.0, max(0.0, body.get(name, 0.0))) for name in ("cpu", "mem", "disk")}
        record.update(shares, last_seen=self.now)
        self.beats.append(body)
        return web.json_response({"status": "ok"})

    async def _list(self, request: web.Request) -> web.Response:
        found = [self._shown(record) for record in self.droplets.values()]
        return web.json_response({"droplets": found} if self.in_object else found)

    async def _dashboard(self, request: web.Request) -> web.Response:
        found = [self._shown(record) for record in self.droplets.values()]
        healthy = sum(record["status"] == "healthy" for record in found)
        cost = sum(record["cost_hour"] or 0 for record in found)
        summary = {"total": len(found), "healthy": healthy, "down": len(found) - healthy}
        return web.json_response({"summary": {**summary, "cost_hour_total": cost}, "droplets": found})

    def _write(self, droplet_id: str, body: dict[str, Any]) -> None:
        """Repeating updates what is named, whoever wrote it before."""
        record = self.droplets.setdefault(droplet_id, {"id": droplet_id, **dict.fromkeys(COLUMNS)})
        record.update({name: body[name] for name in COLUMNS if name in body}, last_seen=self.now)

    def _shown(self, record: dict[str, Any]) -> dict[str, Any]:
        fresh = self.now - record["last_seen"] < DOWN_AFTER
        return {**record, "status": "healthy" if fresh else "down"}
