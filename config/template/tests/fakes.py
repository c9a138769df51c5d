"""A Registry and an Orchestrator that behave as the running ones do, without a network."""

import json
from typing import Any

import httpx

REGISTRY = "http://registry:8000"
ORCHESTRATOR = "http://orchestrator:8001"


class Ecosystem:
    """Answers what the droplet calls; the attributes tell what it saw and steer what it does."""

    def __init__(self) -> None:
        self.droplets: dict[int, dict[str, Any]] = {}
        self.messages: list[dict[str, Any]] = []
        self.replies: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.public_key: str | None = None
        self.failures = 0
        self.prefixed_orchestrator = True
        self.hidden_once: set[str] = set()

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request of the droplet."""
        self.calls.append(f"{request.method} {request.url.host}{request.url.path}")
        if self.failures > 0:
            self.failures -= 1
            raise httpx.ConnectError("refused", request=request)
        body = json.loads(request.content) if request.content else {}
        if request.url.host == "registry":
            return self._registry(request.method, request.url.path, body)
        if request.url.host == "orchestrator":
            return self._orchestrator(request.url.path, body)
        self.replies.append(body)
        return httpx.Response(200, json={})

    def _registry(self, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
        if path == "/health":
            return httpx.Response(200, json={"status": "active"})
        if path == "/auth/public-key" and self.public_key:
            return httpx.Response(200, json={"public_key": self.public_key})
        if method == "POST" and path == "/droplets":
            return self._post(body)
        found = self._find(path)
        if found is None:
            return httpx.Response(404, json={"detail": "not found"})
        if method == "PATCH":
            found.update(body)
        return httpx.Response(200, json={"droplet": found})

    def _post(self, body: dict[str, Any]) -> httpx.Response:
        if any(entry["name"] == body["name"] for entry in self.droplets.values()):
            return httpx.Response(409, json={"detail": "name exists"})
        number = body.get("id") or max(self.droplets, default=0) + 1
        self.droplets[number] = {**body, "id": number, "status": "active"}
        return httpx.Response(201, json={"droplet": self.droplets[number]})

    def _find(self, path: str) -> dict[str, Any] | None:
        last = path.rsplit("/", 1)[-1]
        if path.startswith("/droplets/name/"):
            if last in self.hidden_once:
                self.hidden_once.remove(last)
                return None
            named = [entry for entry in self.droplets.values() if entry["name"] == last]
            return named[0] if named else None
        return self.droplets.get(int(last)) if last.isdecimal() else None

    def _orchestrator(self, path: str, body: dict[str, Any]) -> httpx.Response:
        if path.startswith("/orchestrator/") != self.prefixed_orchestrator:
            return httpx.Response(404, json={"detail": "not found"})
        if path.endswith("/message"):
            self.messages.append(body)
        return httpx.Response(200, json={"received": True})
