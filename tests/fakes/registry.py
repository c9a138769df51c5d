"""A core Registry on loopback that behaves as the real one does (ecosystem.md 2.1).

In memory; unique by name only; a used id under a new name replaces the other droplet without a word; PATCH
replaces the metadata as a whole; what it announces and does not have is 404 or 405.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.fakes.served_registry import ServedRegistry

PATCHED = {"status", "endpoint", "metadata", "proof", "cost_usd", "yield_usd"}


class FakeRegistry(ServedRegistry):
    """`droplets` is its memory by id."""

    def __init__(self) -> None:
        super().__init__()
        self.droplets: dict[int, dict[str, Any]] = {}
        self._highest = 0

    def add(self, droplet_id: int, name: str, endpoint: str = "http://elsewhere:1", **metadata: Any) -> None:
        """An entry that somebody else wrote."""
        body = {"id": droplet_id, "name": name, "endpoint": endpoint, "metadata": metadata}
        self.droplets[droplet_id] = self._record(body)

    def restart(self) -> None:
        """It forgets everything."""
        self.droplets.clear()
        self._highest = 0

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get("/health", self._health),
            web.get("/droplets", self._list),
            web.post("/droplets", self._create),
            web.get("/droplets/name/{name}", self._by_name),
            web.get("/droplets/{id}", self._get),
            web.patch("/droplets/{id}", self._patch),
            web.delete("/droplets/{id}", self._delete),
            web.post("/register", self._older_form),
            web.post("/send", self._send),
        ]

    async def _health(self, request: web.Request) -> web.Response:
        status = "active" if self.droplets else "inactive"
        return web.json_response({"status": status, "service": "registry", "version": "1.0.0"})

    async def _list(self, request: web.Request) -> web.Response:
        found = list(self.droplets.values())
        return web.json_response({"droplets": found, "total": len(found), "timestamp": _now()})

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        if missing := [name for name in ("name", "endpoint") if not isinstance(body.get(name), str)]:
            detail = [{"loc": ["body", name], "msg": "field required"} for name in missing]
            return web.json_response({"detail": detail}, status=422)
        if self._named(body["name"]) is not None:
            return web.json_response({"detail": "Droplet with this name exists"}, status=409)
        record = self._record(body)
        self.droplets[record["id"]] = record
        return web.json_response({"droplet": record, "timestamp": _now()}, status=201)

    async def _older_form(self, request: web.Request) -> web.Response:
        body = await request.json()
        address = body.get("url") or body.get("endpoint")
        if not address:
            return web.json_response(
                {"error": {"code": "INTERNAL_ERROR", "message": "", "details": {}}}, status=500
            )
        if self._named(body.get("name")) is not None:
            return web.json_response({"detail": "Droplet with this name exists"}, status=409)
        record = self._record({**body, "endpoint": address})
        self.droplets[record["id"]] = record
        return web.json_response({"success": True, "droplet_id": record["id"], "message": "registered"})

    async def _get(self, request: web.Request) -> web.Response:
        return self._answer(self._by_id(request))

    async def _by_name(self, request: web.Request) -> web.Response:
        return self._answer(self._named(request.match_info["name"]))

    async def _patch(self, request: web.Request) -> web.Response:
        record = self._by_id(request)
        changes = await request.json()
        if record is not None and changes.get("status", "active") not in {"active", "inactive", "error"}:
            return web.json_response({"detail": [{"loc": ["body", "status"]}]}, status=422)
        if record is not None:
            record.update({key: value for key, value in changes.items() if key in PATCHED})
            record["updated_at"] = _now()
        return self._answer(record)

    async def _delete(self, request: web.Request) -> web.Response:
        record = self._by_id(request)
        if record is None:
            return self._answer(None)
        del self.droplets[record["id"]]
        return web.json_response({"success": True, "message": "deleted", "deleted_at": _now()})

    async def _send(self, request: web.Request) -> web.Response:
        target = (await request.json()).get("target")
        sent = self._named(target) is not None
        answer = {"sent": sent, "trace_id": str(uuid.uuid4()), "target": target, "timestamp": _now()}
        return web.json_response({**answer, "result": "success" if sent else "error"})

    def _answer(self, record: dict[str, Any] | None) -> web.Response:
        if record is None:
            return web.json_response({"detail": "Droplet not found"}, status=404)
        return web.json_response({"droplet": record, "timestamp": _now()})

    def _by_id(self, request: web.Request) -> dict[str, Any] | None:
        text = request.match_info["id"]
        if not text.isdigit():
            raise web.HTTPUnprocessableEntity
        return self.droplets.get(int(text))

    def _named(self, name: str) -> dict[str, Any] | None:
        return next((record for record in self.droplets.values() if record["name"] == name), None)

    def _record(self, body: dict[str, Any]) -> dict[str, Any]:
        number = body.get("id") or self._highest + 1
        self._highest = max(self._highest, number)
        return {
            "id": number,
            "name": body["name"],
            "steward": body.get("steward"),
            "status": "active",
            "endpoint": body["endpoint"],
            "proof": None,
            "cost_usd": 0.0,
            "yield_usd": 0.0,
            "metadata": body.get("metadata") or {},
            "registered_at": _now(),
            "updated_at": _now(),
        }


def _now() -> str:
    return datetime.now(UTC).isoformat()
