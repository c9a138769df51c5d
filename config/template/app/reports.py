"""What the droplet says of itself: health, state and capabilities as the contract words them."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from app.clock import utc_text
from app.identity import API_VERSION, UDC_VERSION
from app.models import Capabilities, EndpointInfo, Health, HealthWord, State
from app.runtime import Runtime
from app.traffic import cpu_percent, memory_mb

Variant = Literal["A", "B"]
GOOD: Final[dict[Variant, HealthWord]] = {"A": "healthy", "B": "active"}
BAD: Final[dict[Variant, HealthWord]] = {"A": "unhealthy", "B": "error"}


def health(runtime: Runtime, variant: Variant) -> Health:
    """Report whether the droplet works, from what is already known.

    Args:
        runtime: The running droplet.
        variant: Whose status words to use.

    Returns:
        The body of /health.
    """
    storage = runtime.database.status
    settings = runtime.settings
    return Health(
        status=BAD[variant] if storage == "failing" else GOOD[variant],
        service=settings.service_name,
        droplet_id=settings.droplet_id,
        version=runtime.identity.version,
        timestamp=utc_text(),
        uptime_seconds=runtime.traffic.uptime_seconds,
        checks={"storage": storage},
        release=settings.release_id,
        build=settings.build_id,
        commit=settings.commit,
    )


def state(runtime: Runtime) -> State:
    """Report load and use of resources, measured now."""
    traffic = runtime.traffic
    uptime = traffic.uptime_seconds
    cpu, memory = cpu_percent(uptime), memory_mb()
    failing = runtime.database.status == "failing"
    word: Literal["active", "error"] = "error" if failing else "active"
    return State(
        state=word,
        status=word,
        mode=runtime.settings.mode,
        last_activity=utc_text(traffic.last_activity),
        last_restart=utc_text(traffic.started_at),
        uptime_seconds=uptime,
        requests_total=traffic.requests_total,
        requests_per_minute=traffic.requests_per_minute,
        errors_last_hour=traffic.errors_last_hour,
        cpu_percent=cpu,
        memory_mb=memory,
        metrics={
            "requests_per_minute": float(traffic.requests_per_minute),
            "average_response_time_ms": traffic.average_response_ms,
            "error_rate_percent": traffic.error_rate_percent,
        },
        resource_usage={"cpu_percent": cpu, "memory_mb": memory},
    )


def capabilities(runtime: Runtime, openapi: Mapping[str, Any]) -> Capabilities:
    """List every public endpoint, taken from the served OpenAPI document.

    Args:
        runtime: The running droplet.
        openapi: The document FastAPI makes of the routes.

    Returns:
        The body of /capabilities.
    """
    endpoints, features = [], {"udc"}
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            text = operation.get("summary", "")
            endpoints.append(EndpointInfo(path=path, method=method.upper(), description=text))
            features.update(operation.get("tags", []))
    endpoints.append(EndpointInfo(path="/openapi.json", method="GET", description="OpenAPI"))
    return Capabilities(
        service_name=runtime.settings.service_name,
        droplet_id=runtime.settings.droplet_id,
        version=runtime.identity.version,
        udc_version=UDC_VERSION,
        capabilities=sorted(features),
        features=sorted(features),
        supported_operations=[f"{item.method} {item.path}" for item in endpoints],
        integration_endpoints=endpoints,
        dependencies=["registry", "orchestrator"],
        metadata={
            "purpose": runtime.identity.purpose,
            "api_version": API_VERSION,
            "authentication": "bearer RS256" if _guarded(runtime) else "open: no key available",
            "rate_limit_per_minute": runtime.settings.rate_limit_per_minute,
        },
    )


def _guarded(runtime: Runtime) -> bool:
    return runtime.keys.known or runtime.settings.auth_required


def metrics(runtime: Runtime) -> str:
    """Write the counters in Prometheus' text form."""
    traffic = runtime.traffic
    lines = [
        "# HELP droplet_requests_total Answers by method and status.",
        "# TYPE droplet_requests_total counter",
    ]
    for (method, status), count in sorted(traffic.answers.items()):
        lines.append(f'droplet_requests_total{{method="{method}",status="{status}"}} {count}')
    lines += [
        "# HELP droplet_request_seconds_total Time spent answering.",
        "# TYPE droplet_request_seconds_total counter",
        f"droplet_request_seconds_total {traffic.seconds_total:.6f}",
        "# HELP droplet_uptime_seconds Time since the start.",
        "# TYPE droplet_uptime_seconds gauge",
        f"droplet_uptime_seconds {traffic.uptime_seconds}",
    ]
    return "\n".join(lines) + "\n"
