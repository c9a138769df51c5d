"""A core Registry on loopback that behaves as the real one does (in memory, unique by name only)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.Response]]


class FakeRegistry:
    """`async with FakeRegistry() as registry:` serves at `registry.url`.

    `droplets` is its memory by id; `requests` logs (method, path, body). `fail(n)` answers n requests
    with 500 before doing anything; `drop(n)` does the next n writes and cuts the connection instead of
    answering; `answer` replaces every answer.
    """

    def __init__(self) -> None:
        self.droplets: dict[int, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: web.Response | None = None
        self.url = ""
        self._failures = 0
        self._drops = 0
        self._runner: web.AppRunner | None = None

    def fail(self, count: int = 1) -> None:
        self._failures = count

    def drop(self, count: int = 1) -> None:
        self._drops = count

    def add(self, droplet_id: int, name: str, endpoint: str = "http://elsewhere:1", **metadata: Any) -> None:
        """An entry that somebody else wrote."""
        self.droplets[droplet_id] = self._record(
            {"id": droplet_id, "name": name, "endpoint": endpoint, "metadata": metadata}
        )

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [(method, path) for method, path, _ in self.requests if method != "GET"]

    async def __aenter__(self) -> FakeRegistry:
        app = web.Application(middlewares=[self._log])
        app.router.add_get("/droplets", self._list)
        app.router.add_post("/droplets", self._create)
        app.router.add_get("/droplets/name/{name}", self._by_name)
        app.router.add_get("/droplets/{id:\\d+}", self._get)
        app.router.add_patch("/droplets/{id:\\d+}", self._patch)
        app.router.add_delete("/droplets/{id:\\d+}", self._delete)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _log(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.method, request.path, body))
        self.headers.append(dict(request.headers))
        if self._failures:
            self._failures -= 1
            return web.json_response({"error": {"code": "INTERNAL_ERROR"}}, status=500)
        if self.answer is not None:
            return self.answer
        response = await handler(request)
        if self._drops and request.method != "GET":
            self._drops -= 1
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _list(self, request: web.Request) -> web.Response:
        found = list(self.droplets.values())
        return web.json_response({"droplets": found, "total": len(found), "timestamp": _now()})

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        if not {"name", "endpoint"} <= set(body):
            return web.json_response({"detail": [{"msg": "field required"}]}, status=422)
        if self._named(body["name"]) is not None:
            return web.json_response({"detail": "Droplet with this name exists"}, status=409)
        record = self._record(body)
        # As the real one: a used id under a new name replaces the other droplet without a word.
        self.droplets[record["id"]] = record
        return web.json_response({"droplet": record, "timestamp": _now()}, status=201)

    async def _get(self, request: web.Request) -> web.Response:
        return self._answer(self.droplets.get(int(request.match_info["id"])))

    async def _by_name(self, request: web.Request) -> web.Response:
        return self._answer(self._named(request.match_info["name"]))

    async def _patch(self, request: web.Request) -> web.Response:
        record = self.droplets.get(int(request.match_info["id"]))
        changes = await request.json()
        if record is not None and changes.get("status", "active") not in {"active", "inactive", "error"}:
            return web.json_response({"detail": "status"}, status=422)
        if record is not None:
            known = {"status", "endpoint", "metadata", "proof", "cost_usd", "yield_usd"}
            record.update({key: value for key, value in changes.items() if key in known})
            record["updated_at"] = _now()
        return self._answer(record)

    async def _delete(self, request: web.Request) -> web.Response:
        record = self.droplets.pop(int(request.match_info["id"]), None)
        if record is None:
            return self._answer(None)
        return web.json_response({"success": True, "message": "deleted", "deleted_at": _now()})

    def _answer(self, record: dict[str, Any] | None) -> web.Response:
        if record is None:
            return web.json_response({"detail": "Droplet not found"}, status=404)
        return web.json_response({"droplet": record, "timestamp": _now()})

    def _named(self, name: str) -> dict[str, Any] | None:
        return next((record for record in self.droplets.values() if record["name"] == name), None)

    def _record(self, body: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": body.get("id") or max(self.droplets, default=0) + 1,
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
