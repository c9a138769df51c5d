"""Traces of builds for a collector that speaks OTLP, where one is configured."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp

from executor import __version__
from executor.adapters.otlp import OtlpCollector
from executor.engine.trace_export import TraceExport
from executor.engine.trace_spans import SpanWriter
from executor.redaction import hidden
from executor.settings import Configuration, otlp_headers
from executor.state_key import state_key
from executor.store.traces import Traces


def trace_export(
    configuration: Configuration,
    session: aiohttp.ClientSession,
    traces: Traces,
    clock: Callable[[], float],
) -> TraceExport | None:
    """What sends traces as `[telemetry]` asks for; None where it names no collector."""
    endpoint = configuration.settings.telemetry.otlp_endpoint
    if not endpoint:
        return None
    collector = OtlpCollector(
        session,
        endpoint,
        headers=otlp_headers(configuration.secrets.get("OTEL_EXPORTER_OTLP_HEADERS")),
        resource={
            "service.name": "fpai-executor",
            "service.version": __version__,
            "service.instance.id": f"droplet-{configuration.settings.server.droplet_id}",
        },
    )
    return TraceExport(traces, collector, SpanWriter(state_key(configuration.state_dir), hidden), clock)
