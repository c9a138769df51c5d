"""A spec-verifier on loopback that answers as the real one does, with a much simpler score."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any

from aiohttp import web

ENDPOINTS = ("/health", "/capabilities", "/state", "/dependencies", "/message")


class FakeSpecVerifier:
    """`async with FakeSpecVerifier() as verifier:` serves at `verifier.url`; `requests` keeps the bodies.

    `answer`, when set, replaces every answer.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.answer: web.Response | None = None
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> FakeSpecVerifier:
        app = web.Application()
        app.router.add_post("/verify", self._verify)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _verify(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append(body)
        if self.answer is not None:
            return self.answer
        if "spec_content" not in body:
            return web.json_response({"detail": [{"msg": "field required"}]}, status=422)
        return web.json_response(verdict(body["spec_content"]))


def verdict(spec: str) -> dict[str, Any]:
    """Valid when name and port are in the first twenty lines and all five endpoints are documented."""
    head = "\n".join(spec.splitlines()[:20])
    errors = [f"No {label.lower()}" for label in ("Service Name", "Port") if f"**{label}:**" not in head]
    missing = [path for path in ENDPOINTS if not re.search(rf"(?m)^### .*{path}\b", spec)]
    errors += [f"UDC endpoint {path} is not documented" for path in missing]
    udc = 100.0 * (len(ENDPOINTS) - len(missing)) / len(ENDPOINTS)
    score = {"completeness": 85.0, "clarity": 90.0, "udc_compliance": udc, "build_readiness": 70.0}
    overall = 0.4 * 85.0 + 0.3 * 90.0 + 0.2 * udc + 0.1 * 70.0
    documented = [path for path in ENDPOINTS if path not in missing]
    return {
        "valid": not errors,
        "score": {**score, "overall": round(overall, 1)},
        "sections": {"found": [], "missing": [], "incomplete": []},
        "udc_endpoints": {
            "documented": documented,
            "required": list(ENDPOINTS),
            "missing": missing,
            "compliant": not missing,
        },
        "recommendations": [],
        "errors": errors,
        "warnings": ["No example usage"],
    }
