"""Who sends traces, and to whom, is what the configuration says."""

from __future__ import annotations

import time
from pathlib import Path

import aiohttp
import pytest

from executor.settings import Configuration, ConfigurationError, Secrets, load, otlp_headers
from executor.settings_tables import Settings
from executor.tracing import trace_export
from tests.engine.conftest import running_world
from tests.fakes.collector import FakeCollector


def configured(directory: Path, endpoint: str, headers: str = "") -> Configuration:
    settings = Settings.model_validate(
        {"telemetry": {"otlp_endpoint": endpoint}, "server": {"droplet_id": 7}}
    )
    return Configuration(settings, Secrets({"OTEL_EXPORTER_OTLP_HEADERS": headers}), None, directory)


async def test_the_configured_collector_gets_traces_with_its_headers(tmp_path):
    async with (
        FakeCollector() as collector,
        running_world(tmp_path) as world,
        aiohttp.ClientSession() as session,
    ):
        configuration = configured(tmp_path, collector.url, "authorization=Bearer%20key, x-team = a")
        export = trace_export(configuration, session, world.store.traces, time.time)
        assert export is not None
        await world.store.traces.keep(True)
        await world.until((await world.submit()).id)
        await export.look()
    assert len(collector.spans) == 9
    assert collector.resource["service.instance.id"] == "droplet-7"
    headers = collector.requests[0].headers
    assert (headers["authorization"], headers["x-team"]) == ("Bearer key", "a")


async def test_without_an_endpoint_nothing_is_sent(tmp_path):
    async with running_world(tmp_path) as world, aiohttp.ClientSession() as session:
        assert trace_export(configured(tmp_path, ""), session, world.store.traces, time.time) is None


@pytest.mark.parametrize("endpoint", ["localhost:4318", "grpc://localhost:4317"])
def test_an_endpoint_that_is_no_http_address_is_refused(endpoint, tmp_path):
    with pytest.raises(ConfigurationError, match="otlp_endpoint"):
        load(None, {"FPAI_TELEMETRY__OTLP_ENDPOINT": endpoint, "STATE_DIRECTORY": str(tmp_path)})


@pytest.mark.parametrize("headers", ["authorization", "a b=c", "=x", "name=line%0Aend"])
def test_headers_that_cannot_be_sent_are_refused_and_never_repeated(headers, tmp_path):
    with pytest.raises(ConfigurationError) as refused:
        load(None, {"OTEL_EXPORTER_OTLP_HEADERS": headers, "STATE_DIRECTORY": str(tmp_path)})
    assert "OTEL_EXPORTER_OTLP_HEADERS" in str(refused.value)
    assert "line" not in refused.value.message


def test_no_headers_are_no_headers():
    assert otlp_headers("") == otlp_headers(" , ") == {}
