"""The droplet contract, spoken in both variants."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from executor.web.api import Dependency
from tests.web.conftest import Serving, Site

PREFIXES = ["", "/executor"]
VARIANT_A = {"from_service": "dashboard", "message_type": "query", "payload": {}, "reply_to": "http://x"}
VARIANT_B = {
    "trace_id": "t-1", "source": "dashboard", "target": "executor", "message_type": "status", "payload": {},
    "timestamp": "2026-01-01T00:00:00Z",
}  # fmt: skip


@pytest.mark.parametrize(
    ("prefix", "word", "draining"), [("", "active", "inactive"), ("/executor", "healthy", "degraded")]
)
async def test_health_has_the_word_of_its_variant(site: Site, prefix: str, word: str, draining: str) -> None:
    status, found, _ = await site.get(f"{prefix}/health")
    assert (status, found["status"]) == (200, word)
    assert {"service", "version", "uptime_seconds"} <= set(found)
    assert datetime.fromisoformat(found["timestamp"]).tzinfo == UTC
    site.world.live.draining = True
    assert (await site.get(f"{prefix}/health"))[1]["status"] == draining


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_capabilities_carry_both_variants_and_list_every_endpoint(site: Site, prefix: str) -> None:
    found = (await site.get(f"{prefix}/capabilities"))[1]
    assert {"service_name", "droplet_id", "capabilities", "supported_operations"} <= set(found)
    assert {"version", "features", "dependencies", "udc_version", "metadata"} <= set(found)
    assert found["droplet_id"] == 12
    listed = {(e["method"], e["path"]) for e in found["integration_endpoints"]}
    assert listed == {(op.method, op.path) for op in site.app.state.operations}
    assert (await site.get(f"{prefix}/capabilities"))[1] == found


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_state_carries_both_variants_and_counts(site: Site, prefix: str) -> None:
    before = (await site.get(f"{prefix}/state"))[1]
    after = (await site.get(f"{prefix}/state"))[1]
    assert {"status", "mode", "last_activity", "metrics"} <= set(after)
    assert {"requests_per_minute", "average_response_time_ms", "error_rate_percent"} == set(after["metrics"])
    assert {"uptime_seconds", "errors_last_hour", "last_restart", "cpu_percent", "memory_mb"} <= set(after)
    assert after["requests_total"] == before["requests_total"] + 1
    assert after["memory_mb"] > 1


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_dependencies_carry_both_variants(serve: Serving, prefix: str) -> None:
    known = (
        Dependency("sandbox", "local", "available", required=True),
        Dependency("registry", "http", "unavailable", host="http://r", impact="builds wait", last_check=5.0),
    )
    async with serve(api={"dependencies": lambda: known}) as site:
        found: dict[str, Any] = (await site.get(f"{prefix}/dependencies"))[1]
    assert found["required_services"] == [
        {"name": "sandbox", "type": "local", "status": "available", "host": ""}
    ]
    assert found["optional_services"][0]["impact"] == "builds wait"
    assert [d["name"] for d in found["required"]] == ["sandbox"]
    assert found["optional"][0]["last_check"] == "1970-01-01T00:00:05.000Z"
    assert found["missing"] == ["registry"]
    assert found["external_apis"] == []


async def test_a_variant_a_query_is_answered_with_an_object(site: Site) -> None:
    build = await site.finished()
    body = {**VARIANT_A, "payload": {"build_id": build.id}}
    status, found, _ = await site.post("/executor/message", body)
    assert (status, found["received"], found["status"]) == (200, True, "completed")
    assert found["message_id"]
    assert found["result"]["build"]["build_id"] == build.id
    body = {**VARIANT_A, "payload": {"build_id": "none"}}
    assert (await site.post("/executor/message", body))[1]["result"] == {"build": None}


async def test_a_variant_b_status_is_answered_with_a_word_and_its_trace(site: Site) -> None:
    status, found, _ = await site.post("/message", VARIANT_B)
    assert (status, found["received"], found["result"], found["trace_id"]) == (200, True, "success", "t-1")
    assert datetime.fromisoformat(found["processed_at"]).tzinfo == UTC


@pytest.mark.parametrize(("source", "answered_by"), [("droplet-10", "droplet-12"), (10, 12)])
async def test_an_envelope_is_answered_in_an_envelope(site: Site, source: Any, answered_by: Any) -> None:
    body = {**VARIANT_B, "udc_version": "1.0", "source": source, "message_type": "query"}
    found = (await site.post("/message", body))[1]
    assert (found["message_type"], found["trace_id"]) == ("response", "t-1")
    assert (found["source"], found["target"]) == (answered_by, source)
    assert found["payload"]["received"] is True


@pytest.mark.parametrize("kind", ["task_assignment", "command"])
async def test_an_order_by_message_is_refused_and_says_where_to_order(site: Site, kind: str) -> None:
    status, reply, _ = await site.post("/message", {**VARIANT_B, "message_type": kind})
    assert (status, reply["error"]["code"]) == (400, "MESSAGE_NOT_SUPPORTED")
    assert reply["error"]["details"]["received"] is True
    assert "/executor/build-droplet" in reply["error"]["details"]["hint"]


@pytest.mark.parametrize(
    "body",
    [{}, {"message_type": "shout"}, {**VARIANT_B, "payload": "text"}, {**VARIANT_B, "trace_id": 5}, [],
     {**VARIANT_A, "payload": {"build_id": 5}}],
)  # fmt: skip
async def test_a_message_that_is_none_is_400(site: Site, body: Any) -> None:
    status, reply, _ = await site.post("/message", body)
    assert (status, reply["error"]["code"]) == (400, "INVALID_INPUT")
