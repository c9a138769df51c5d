"""The droplet contract's four readable endpoints: at the root in variant B's words, below /executor in A's.

Both carry the fields of both variants (ecosystem.md, 1.1); only the word of /health's status differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from executor.domain.events import iso
from executor.web.api import Api, Dependency
from executor.web.operations import Handler, Operation
from executor.web.process import Usage
from executor.web.replies import Json

SERVICE = "executor"
UDC_VERSION = "1.0"
FEATURES = (
    "build-droplet",
    "approval-gates",
    "progress-stream",
    "crash-recovery",
    "releases-and-rollback",
    "built-in-registry",
)
_WORDS = {"a": ("healthy", "degraded"), "b": ("active", "inactive")}


class Contract:
    """Health, capabilities, state, dependencies. `operations` names every public endpoint, once routed."""

    def __init__(self, api: Api, operations: Callable[[], Iterable[Operation]]) -> None:
        self._api = api
        self._operations = operations
        self._usage = Usage()

    def health(self, variant: str) -> Handler:
        """The handler in the words of variant `a` or `b`; looks at memory only."""
        well, draining = _WORDS[variant]

        async def health(_: Request) -> Response:
            status = draining if self._api.live.draining else well
            return Json(
                {
                    "status": status,
                    "service": SERVICE,
                    "droplet_id": self._api.settings.server.droplet_id,
                    "version": self._api.version,
                    "timestamp": iso(self._api.live.now()),
                    "uptime_seconds": self._uptime(),
                }
            )

        return health

    async def capabilities(self, _: Request) -> Response:
        """What this droplet can do, with every public endpoint; the same all its life."""
        endpoints = [
            {"path": op.path, "method": op.method, "description": op.summary} for op in self._operations()
        ]
        return Json(
            {
                "service_name": SERVICE,
                "droplet_id": self._api.settings.server.droplet_id,
                "capabilities": FEATURES,
                "supported_operations": [f"{e['method']} {e['path']}" for e in endpoints],
                "integration_endpoints": endpoints,
                "version": self._api.version,
                "features": FEATURES,
                "dependencies": [d.name for d in self._api.dependencies()],
                "udc_version": UDC_VERSION,
                "metadata": {
                    "provider": self._api.provider,
                    "approval_mode": self._api.settings.builds.approval_mode,
                },
            }
        )

    async def state(self, _: Request) -> Response:
        """What it is doing and how it fares."""
        traffic, usage = self._api.traffic, self._usage
        cpu, memory = usage.cpu_percent, usage.memory_mb
        requests = traffic.requests or 1
        return Json(
            {
                "status": "inactive" if self._api.live.draining else "active",
                "mode": "production",
                "last_activity": iso(traffic.last_at or self._api.started_at),
                "metrics": {
                    "requests_per_minute": traffic.per_minute,
                    "average_response_time_ms": round(1000 * traffic.seconds / requests, 3),
                    "error_rate_percent": round(100 * traffic.failures / requests, 3),
                },
                "uptime_seconds": self._uptime(),
                "requests_total": traffic.requests,
                "requests_per_minute": traffic.per_minute,
                "errors_last_hour": traffic.failures_last_hour,
                "last_restart": iso(self._api.started_at),
                "cpu_percent": cpu,
                "memory_mb": memory,
                "resource_usage": {"cpu_percent": cpu, "memory_mb": memory},
                "builds": dict(self._api.live.counts()),
                "watchers": len(self._api.watchers),
            }
        )

    async def dependencies(self, _: Request) -> Response:
        """What it leans on, as last seen."""
        known = self._api.dependencies()
        required = [d for d in known if d.required]
        optional = [d for d in known if not d.required]
        outside = [
            {"name": d.name, "status": d.status, "last_check": _seen(d)}
            for d in known
            if d.kind == "external_api"
        ]
        return Json(
            {
                "required_services": [_variant_a(d) for d in required if d.kind != "external_api"],
                "optional_services": [
                    {**_variant_a(d), "impact": d.impact} for d in optional if d.kind != "external_api"
                ],
                "external_apis": outside,
                "required": [_variant_b(d) for d in required],
                "optional": [_variant_b(d) for d in optional],
                "missing": [d.name for d in known if d.status == "unavailable"],
            }
        )

    def _uptime(self) -> float:
        return round(max(0.0, self._api.live.now() - self._api.started_at), 3)


def _variant_a(dependency: Dependency) -> dict[str, Any]:
    return {
        "name": dependency.name,
        "type": dependency.kind,
        "status": dependency.status,
        "host": dependency.host,
    }


def _variant_b(dependency: Dependency) -> dict[str, Any]:
    return {"name": dependency.name, "status": dependency.status, "last_check": _seen(dependency)}


def _seen(dependency: Dependency) -> str | None:
    return iso(dependency.last_check) if dependency.last_check is not None else None
