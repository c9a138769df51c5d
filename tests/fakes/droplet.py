"""A small service on a unix socket that keeps the whole droplet contract, but for the faults it is given.

A fault is a path and method whose answer is replaced, or one of the words in `Fake.faults`.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Strict-Transport-Security": "max-age=1",
}
CONTRACT = ("/health", "/capabilities", "/state", "/dependencies", "/message")
PATHS = [*CONTRACT, *(f"/library{path}" for path in CONTRACT), "/books", "/books/{book_id}"]


class Fake:
    """`bodies` change a path's body, `handlers` replace its answer, `faults` are words that loosen a rule."""

    def __init__(self, public_pem: str = "") -> None:
        self.public_pem = public_pem
        self.faults: set[str] = set()
        self.bodies: dict[str, dict[str, Any]] = {}
        self.handlers: dict[tuple[str, str], Handler] = {}
        self.requests = 0

    @asynccontextmanager
    async def serving(self, socket: Path) -> AsyncIterator[None]:
        """Listen on `socket` while the context is open."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, str(socket)).start()
        try:
            yield
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if replaced := self.handlers.get((request.method, request.path)):
            return await replaced(request)
        status, body = await self._judge(request)
        headers = {} if "bare" in self.faults else HEADERS
        return web.json_response(
            {**body, **self.bodies.get(request.path, {})}, status=status, headers=headers
        )

    async def _judge(self, request: web.Request) -> tuple[int, dict[str, Any]]:
        path = request.path.removeprefix("/library")
        if self.public_pem and path != "/health" and not self._let_in(request, path):
            return 401, error("UNAUTHORIZED")
        if path == "/openapi.json":
            return 200, {"paths": {name: _methods(name) for name in PATHS}}
        if path.startswith("/books"):
            return await self._books(request)
        if path not in CONTRACT:
            return 404, error("NOT_FOUND")
        if path == "/message" and request.method == "POST":
            return await _message(request)
        if request.method != "GET":
            return 405, error("INVALID_REQUEST")
        return 200, self._report(request.path, path)

    async def _books(self, request: web.Request) -> tuple[int, dict[str, Any]]:
        if "fragile" in self.faults and "99999" in request.path:
            return 500, error("INTERNAL_ERROR")
        if request.method == "POST":
            return 400, error("INVALID_REQUEST")
        return (200, {"data": []}) if request.path == "/books" else (404, error("NOT_FOUND"))

    def _report(self, whole: str, path: str) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat()
        reports: dict[str, dict[str, Any]] = {
            "/health": {
                "status": "active" if whole == path else "healthy", "timestamp": now, "uptime_seconds": 1,
                "version": "1", "service": "library",
            },
            "/capabilities": {
                "service_name": "library", "droplet_id": 13, "capabilities": [], "supported_operations": [],
                "integration_endpoints": [{"path": name, "method": "GET"} for name in PATHS], "version": "1",
                "features": [], "dependencies": [], "udc_version": "1.0", "metadata": {},
            },
            "/state": {
                "status": "active", "mode": "production", "last_activity": now, "metrics": {},
                "uptime_seconds": 1, "requests_total": self.requests, "requests_per_minute": 1,
                "errors_last_hour": 0, "last_restart": now, "cpu_percent": 0, "memory_mb": 1,
            },
            "/dependencies": {
                "required_services": [], "optional_services": [{"name": "registry", "impact": "unknown"}],
                "external_apis": [], "required": [], "optional": [], "missing": [],
            },
        }  # fmt: skip
        return reports.get(path, {})

    def _let_in(self, request: web.Request, path: str) -> bool:
        if ("open books" in self.faults and path.startswith("/books")) or "open" in self.faults:
            return True
        try:
            head, claims, signature = request.headers["Authorization"].removeprefix("Bearer ").split(".")
            self._check(head, claims, signature)
            until = json.loads(_decoded(claims)).get("exp", 0)
        except (KeyError, ValueError, InvalidSignature):
            return False
        return until > time.time() or ("endless" in self.faults and not until) or "stale" in self.faults

    def _check(self, head: str, claims: str, signature: str) -> None:
        algorithm = json.loads(_decoded(head))["alg"]
        if algorithm.lower() in self.faults:
            return
        if algorithm != "RS256":
            raise InvalidSignature
        if "foreign" in self.faults:
            return
        key = load_pem_public_key(self.public_pem.encode())
        assert isinstance(key, rsa.RSAPublicKey)
        key.verify(_decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())


def error(code: str) -> dict[str, Any]:
    """An error as the contract has it."""
    return {"error": {"code": code, "message": "No.", "details": {}}, "status": "error"}


async def _message(request: web.Request) -> tuple[int, dict[str, Any]]:
    try:
        body = await request.json()
    except ValueError:
        return 400, error("INVALID_REQUEST")
    if not isinstance(body, dict) or "message_type" not in body:
        return 400, error("INVALID_REQUEST")
    return 200, {"received": True}


def _methods(path: str) -> dict[str, Any]:
    return (
        {"post": {}}
        if path.endswith("/message")
        else {"get": {}, "post": {}}
        if path == "/books"
        else {"get": {}}
    )


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
