"""A behaving executor on loopback: builds are scripted documents and events, every request is remembered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.cli.documents import FINISHED, STEPS, make_build


class FakeDaemon:
    """State is plain attributes; use only from the test's thread between requests."""

    def __init__(self) -> None:
        self.builds: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.logs: dict[str, list[dict[str, Any]]] = {}
        self.artifacts: dict[tuple[str, str], tuple[str, str]] = {}
        self.droplets: list[dict[str, Any]] = []
        self.turns: dict[str, list[dict[str, Any]]] = {}
        self.cost: dict[str, Any] = {}
        self.notices: dict[str, list[dict[str, Any]]] = {}
        self.on_notices: Callable[[], None] = lambda: None
        """Called before the notices are read: what happens meanwhile."""
        self.provider = "scaffold"
        self.submitted: dict[str, Any] = {}
        """What differs in builds that are submitted."""
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.token = ""
        self.cut_after: list[int] = []
        """The stream breaks after so many events, once for each entry."""
        self.refuse_next: list[tuple[int, str, str, dict[str, Any]]] = []
        self.cut_next = 0
        """So many requests break off unanswered, as when the daemon dies over them."""
        self.drop_replies = 0
        """So many submits are carried out, and their answer is lost."""
        self.ends = asyncio.Event()
        """Set when the daemon goes away: open streams break off."""
        self.promised = "2126-11-14T14:00:00Z"
        """The estimated completion of a submit's answer."""
        self.keys: dict[str, dict[str, Any]] = {}
        self.page = 200

    def add(self, document: dict[str, Any], messages: list[str] | None = None) -> dict[str, Any]:
        build_id = document["build_id"]
        self.builds = {build_id: document, **self.builds}
        self.events[build_id] = []
        for message in messages or []:
            self.tell(build_id, message)
        return document

    def tell(self, build_id: str, message: str, step: int = 4, **over: Any) -> None:
        """Write one event, then change the build: in one go, as the daemon's transaction does."""
        rows = self.events[build_id]
        event = {
            "v": 1,
            "seq": len(rows) + 1,
            "event_type": "step_progressed",
            "build_id": build_id,
            "step": step,
            "step_name": STEPS[step - 1],
            "attempt": 1,
            "progress_percent": 50,
            "message": message,
            "timestamp": "2026-11-14T12:31:00Z",
            "data": {},
        }
        rows.append(event)
        self.builds[build_id] |= {"last_seq": len(rows)} | over

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        one = "/executor/builds/{id}"
        app.add_routes(
            [
                web.post("/executor/build-droplet", self._submit),
                web.get("/executor/builds", self._list),
                web.get(one + "/status", self._status),
                web.get(one + "/events", self._stream),
                web.get(one + "/log", self._log),
                web.get(one + "/{kind:spec|diff|report|tests}", self._artifact),
                web.post(one + "/{verb:approve|answer|budget|retry|rollback}", self._act),
                web.delete(one, self._act),
                web.get(one + "/turns", self._turns),
                web.get(one + "/notifications", self._notices),
                web.get("/executor/cost", self._cost),
                web.get("/executor/droplets", self._droplets),
                web.get("/executor/capabilities", self._capabilities),
                web.get("/readyz", self._readyz),
            ]
        )
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else {}
        self.requests.append((request.method, request.path_qs, body))
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return self._error(401, "UNAUTHORIZED", "A token is needed.", {})
        if self.cut_next:
            self.cut_next -= 1
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if self.refuse_next:
            return self._error(*self.refuse_next.pop(0))
        build_id = request.match_info.get("id")
        if build_id and build_id not in self.builds:
            return self._error(
                404, "NOT_FOUND", f"There is no build {build_id}.", {"hint": "Look at the list."}
            )
        response: web.StreamResponse = await handler(request)
        return response

    def _error(self, status: int, code: str, message: str, details: dict[str, Any]) -> web.Response:
        error = {"code": code, "message": message, "details": details, "request_id": "req-1"}
        return web.json_response({"error": error}, status=status)

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        document = make_build(len(self.builds) + 1, droplet_id=body.get("droplet_id") or 13) | self.submitted
        if request.query.get("dry_run"):
            plan = {key: document[key] for key in ("droplet_id", "droplet_name", "build_id")}
            steps = [{"step": n, "name": name, "expected_seconds": 2.0} for n, name in enumerate(STEPS, 1)]
            plan |= {
                "spec": "# Analytics\n\nCounts things.\n",
                "spec_score": 91,
                "steps": steps,
                "warnings": [],
            }
            return web.json_response(plan | {"estimated_seconds": 16.0, "estimated_cost_usd": 0.0})
        key = request.headers["Idempotency-Key"]
        if key not in self.keys:
            self.add(document, ["The intent was taken."])
            self.keys[key] = document
        if self.drop_replies:
            self.drop_replies -= 1
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        document = self.keys[key]
        reply = {key: document[key] for key in ("build_id", "droplet_id", "droplet_name", "web_url")}
        warnings = ["slack is not configured."] if body.get("notify_channels") else []
        reply |= {"status": "started", "estimated_completion": self.promised, "warnings": warnings}
        return web.json_response(reply, status=202)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        wanted = request.query.get("status")
        rows = [row for row in self.builds.values() if not wanted or row["status"] == wanted]
        start = int(request.query.get("cursor", 0))
        size = min(int(request.query.get("limit", self.page)), self.page)
        headers = {}
        if start + size < len(rows):
            headers["Link"] = f'</executor/builds?limit={size}&cursor={start + size}>; rel="next"'
        return web.json_response(rows[start : start + size], headers=headers)

    async def _status(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.builds[request.match_info["id"]])

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        build_id = request.match_info["id"]
        after = int(request.headers.get("Last-Event-ID") or request.query.get("after", 0))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b': hello\n\nevent: progress\ndata: {"progress_percent": 51}\n\n')
        left = self.cut_after.pop(0) if self.cut_after else None
        while True:
            for event in self.events[build_id][after:]:
                if left == 0:
                    # Half a message, then a broken link.
                    await response.write(f"id: {event['seq']}\ndata: {{".encode())
                    assert request.transport is not None
                    request.transport.abort()
                    return response
                await response.write(f"id: {event['seq']}\nevent: {event['event_type']}\n".encode())
                await response.write(f"data: {json.dumps(event)}\n\n".encode())
                after, left = event["seq"], None if left is None else left - 1
            if self.builds[build_id]["status"] in FINISHED:
                await response.write(b"event: end\ndata: {}\n\n")
                return response
            if self.ends.is_set():
                assert request.transport is not None
                request.transport.abort()
                return response
            await asyncio.sleep(0.02)

    async def _log(self, request: web.Request) -> web.StreamResponse:
        after, query = int(request.query.get("after", 0)), request.query
        rows = [
            row
            for row in self.logs.get(request.match_info["id"], [])
            if row["line"] > after
            and query.get("search", "") in row["text"]
            and query.get("level", row["level"]) == row["level"]
        ][:2]
        return web.json_response({"lines": rows, "next": rows[-1]["line"] if rows else after})

    async def _artifact(self, request: web.Request) -> web.StreamResponse:
        kind, text = self.artifacts[request.match_info["id"], request.match_info["kind"]]
        return web.Response(text=text, content_type=kind)

    async def _turns(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.turns.get(request.match_info["id"], []))

    async def _notices(self, request: web.Request) -> web.StreamResponse:
        self.on_notices()
        return web.json_response(self.notices.get(request.match_info["id"], []))

    async def _cost(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(self.cost)

    async def _act(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.builds[request.match_info["id"]])

    async def _droplets(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(self.droplets)

    async def _capabilities(self, _: web.Request) -> web.StreamResponse:
        metadata = {"provider": self.provider}
        return web.json_response({"name": "executor", "version": "0.1.0", "metadata": metadata})

    async def _readyz(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ready"})
