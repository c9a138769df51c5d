"""Both Orchestrators on loopback, with their ways (ecosystem.md 3.1, 3.2)."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ALLOWED = {
    "pending": {"assigned", "cancelled"},
    "assigned": {"in_progress", "pending", "cancelled"},
    "in_progress": {"completed", "failed", "pending"},
    "failed": {"pending"},
}


class _Served:
    """`requests` logs (method, path, body); `fail(n)` answers 500 and does nothing; `drop(n)` does the next n
    writes and cuts the connection instead of answering; with `token` set others are 401."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.url = ""
        self.token = ""
        self._failures = 0
        self._drops = 0
        self._runner: web.AppRunner | None = None

    def fail(self, count: int = 1) -> None:
        self._failures = count

    def drop(self, count: int = 1) -> None:
        self._drops = count

    async def _serve(self, routes: list[web.RouteDef]) -> None:
        app = web.Application(middlewares=[self._log])
        app.router.add_routes(routes)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _log(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.method, request.path, body))
        if self._failures:
            self._failures -= 1
            return web.json_response({"detail": "Internal Server Error"}, status=500)
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"detail": "Not authenticated"}, status=401)
        response = await handler(request)
        if self._drops and request.method != "GET":
            self._drops -= 1
            if request.transport is not None:
                request.transport.abort()
        return response


class FakeCoreOrchestrator(_Served):
    """1.1: everything below /orchestrator, no heartbeat route, `target` required."""

    async def __aenter__(self) -> FakeCoreOrchestrator:
        await self._serve([web.post("/orchestrator/message", self._message)])
        return self

    async def _message(self, request: web.Request) -> web.Response:
        body = await request.json()
        needed = {"trace_id", "source", "target", "message_type", "payload", "timestamp"}
        if not needed <= set(body) or body["message_type"] not in {"status", "event", "command", "query"}:
            return web.json_response({"detail": [{"msg": "field required"}]}, status=422)
        return web.json_response({"received": True, "trace_id": body["trace_id"], "result": "success"})


class FakeNumberedOrchestrator(_Served):
    """2.0: droplets register and beat, tasks are assigned to droplet 12 and moved by it alone.

    `enveloped` wraps each answer as the real one does; `tasks` is its memory by number.
    """

    def __init__(self, *, enveloped: bool = True) -> None:
        super().__init__()
        self.enveloped = enveloped
        self.droplets: dict[int, dict[str, Any]] = {}
        self.beats: list[tuple[int, dict[str, Any]]] = []
        self.tasks: dict[int, dict[str, Any]] = {}
        self.caller = 12

    async def __aenter__(self) -> FakeNumberedOrchestrator:
        await self._serve(
            [
                web.post("/droplets/register", self._register),
                web.post("/droplets/{id:\\d+}/heartbeat", self._beat),
                web.get("/tasks", self._list),
                web.get("/tasks/{id:\\d+}", self._get),
                web.patch("/tasks/{id:\\d+}", self._patch),
            ]
        )
        return self

    def assign(self, task_id: int, payload: Any, *, droplet: int = 12, **more: Any) -> dict[str, Any]:
        """Create a task that the router has given to a droplet."""
        task = {
            "id": task_id,
            "trace_id": str(uuid.uuid4()),
            "task_type": "build",
            "title": f"Task {task_id}",
            "description": None,
            "payload": payload,
            "assigned_droplet_id": droplet,
            "status": "assigned",
            "result": None,
            "error_message": None,
            "state_history": ["pending", "assigned"],
            **more,
        }
        self.tasks[task_id] = task
        return task

    def move(self, task_id: int, status: str) -> None:
        """What the orchestrator itself does: cancel, take back, assign again."""
        self.tasks[task_id]["status"] = status
        self.tasks[task_id]["state_history"].append(status)

    async def _register(self, request: web.Request) -> web.Response:
        body = self._read(await request.json())
        if not {"droplet_id", "name", "endpoint"} <= set(body):
            return web.json_response({"detail": "field required"}, status=422)
        known = body["droplet_id"] in self.droplets
        self.droplets[body["droplet_id"]] = {**body, "status": "active"}
        if not known:  # it is stored, and then the answer fails
            return web.json_response({"detail": "Internal Server Error"}, status=500)
        answer = {
            "registered": True,
            "droplet_id": body["droplet_id"],
            "heartbeat_interval_seconds": 60,
            "next_heartbeat_deadline": time.time() + 90,
        }
        return self._answer(answer, 201)

    async def _beat(self, request: web.Request) -> web.Response:
        droplet = int(request.match_info["id"])
        body = self._read(await request.json())
        if droplet != self.caller:
            return web.json_response({"detail": "Forbidden"}, status=403)
        if droplet not in self.droplets:
            return web.json_response({"detail": "Droplet not found"}, status=404)
        if body.get("status") not in {"active", "inactive", "error"}:
            return web.json_response({"detail": "Internal Server Error"}, status=500)
        self.beats.append((droplet, body))
        return self._answer({"received": True, "next_heartbeat_deadline": time.time() + 90})

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        found = [
            {
                name: task[name]
                for name in ("id", "trace_id", "task_type", "title", "status", "assigned_droplet_id")
            }
            for task in self.tasks.values()
            if query.get("status") in {None, task["status"]}
            and int(query.get("assigned_droplet_id", task["assigned_droplet_id"]))
            == task["assigned_droplet_id"]
        ]
        limit = int(query.get("limit", 50))
        return self._answer({"tasks": found[:limit], "total": len(found), "limit": limit, "offset": 0})

    async def _get(self, request: web.Request) -> web.Response:
        task = self.tasks.get(int(request.match_info["id"]))
        if task is None:
            return web.json_response({"detail": "Task not found"}, status=404)
        return self._answer({"task": {**task, "payload": json.dumps(task["payload"])}})

    async def _patch(self, request: web.Request) -> web.Response:
        task = self.tasks.get(int(request.match_info["id"]))
        body = self._read(await request.json())
        if task is None:
            return web.json_response({"detail": "Task not found"}, status=404)
        if task["assigned_droplet_id"] != self.caller:
            return web.json_response({"detail": "Only the assigned droplet may update"}, status=403)
        if body["status"] not in ALLOWED.get(task["status"], set()):
            return web.json_response({"detail": f"Invalid transition: {task['status']}"}, status=400)
        task.update({name: body[name] for name in ("result", "error_message") if name in body})
        self.move(task["id"], body["status"])
        return self._answer({"task_id": task["id"], "status": body["status"]})

    def _read(self, body: dict[str, Any]) -> dict[str, Any]:
        inner: dict[str, Any] = body["payload"] if {"udc_version", "payload"} <= set(body) else body
        return inner

    def _answer(self, payload: dict[str, Any], status: int = 200) -> web.Response:
        if not self.enveloped:
            return web.json_response(payload, status=status)
        envelope = {
            "udc_version": "1.0",
            "trace_id": str(uuid.uuid4()),
            "source": "droplet-10",
            "target": "client",
            "message_type": "response",
            "payload": payload,
        }
        return web.json_response(envelope, status=status)
