"""The contract's other endpoints, at the root and under the droplet's name."""

from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.identity import load_identity
from tests.conftest import MakeApp
from tests.fakes import ORCHESTRATOR, REGISTRY, Ecosystem

PREFIXES = ["", f"/{load_identity().name}"]
MESSAGE_A: dict[str, Any] = {
    "from_service": "tester",
    "message_type": "query",
    "payload": {"query": "ping"},
}
MESSAGE_B: dict[str, Any] = {
    "trace_id": "t-1",
    "source": "tester",
    "target": "me",
    "message_type": "status",
    "payload": {},
    "timestamp": "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_capabilities_lists_every_public_endpoint(client: TestClient, prefix: str) -> None:
    body = client.get(f"{prefix}/capabilities").json()
    listed = {(item["method"], item["path"]) for item in body["integration_endpoints"]}
    paths = client.get("/openapi.json").json()["paths"]
    served = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert served <= listed
    assert {("POST", f"{p}/message") for p in PREFIXES} <= listed
    assert body["udc_version"] == "1.0"
    assert body["service_name"] == load_identity().name
    assert body["metadata"]["purpose"] == load_identity().purpose
    assert {"udc", "metrics"} <= set(body["features"])
    assert body["dependencies"] == ["registry", "orchestrator"]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_state_carries_the_fields_of_both_variants(client: TestClient, prefix: str) -> None:
    body = client.get(f"{prefix}/state").json()
    assert (body["state"], body["status"], body["mode"]) == ("active", "active", "development")
    assert {"average_response_time_ms", "error_rate_percent"} <= set(body["metrics"])
    assert body["memory_mb"] >= 0
    assert datetime.fromisoformat(body["last_restart"]).tzinfo is not None


def test_state_counts_what_was_served(client: TestClient) -> None:
    before = client.get("/state").json()
    client.get("/health")
    after = client.get("/state").json()
    assert after["requests_total"] == before["requests_total"] + 2
    assert after["requests_per_minute"] >= 1


def test_production_is_a_mode_of_its_own(make_app: MakeApp) -> None:
    with TestClient(make_app(environment="production")) as client:
        assert client.get("/state").json()["mode"] == "production"


@pytest.mark.parametrize("prefix", PREFIXES)
def test_dependencies_without_addresses_are_optional(client: TestClient, prefix: str) -> None:
    body = client.get(f"{prefix}/dependencies").json()
    assert body["required"] == body["required_services"] == body["missing"] == []
    assert {peer["name"] for peer in body["optional"]} == {"registry", "orchestrator"}
    assert all(peer["impact"] for peer in body["optional_services"])


def test_dependencies_tell_what_the_last_probe_found(
    make_app: MakeApp, ecosystem: Ecosystem
) -> None:
    app = make_app(registry_url=REGISTRY, orchestrator_url=ORCHESTRATOR)
    with TestClient(app) as client:
        client.portal.call(app.state.runtime.peers.probe)  # type: ignore[union-attr]
        known = {peer["name"]: peer for peer in client.get("/dependencies").json()["optional"]}
        assert known["registry"]["status"] == known["orchestrator"]["status"] == "connected"
        ecosystem.failures = 2
        client.portal.call(app.state.runtime.peers.probe)  # type: ignore[union-attr]
        assert client.get("/dependencies").json()["missing"] == ["registry", "orchestrator"]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_message_of_variant_a_is_answered_in_variant_a(client: TestClient, prefix: str) -> None:
    body = client.post(f"{prefix}/message", json=MESSAGE_A).json()
    assert body["received"] is True
    assert body["message_id"]
    assert body["status"] == "completed"
    assert body["result"] == {"pong": True}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_message_of_variant_b_is_answered_in_variant_b(client: TestClient, prefix: str) -> None:
    body = client.post(f"{prefix}/message", json=MESSAGE_B).json()
    assert (body["received"], body["trace_id"], body["result"]) == (True, "t-1", "success")
    assert datetime.fromisoformat(body["processed_at"]).tzinfo is not None
    assert "udc_version" not in body


def test_an_envelope_is_answered_by_an_envelope(client: TestClient) -> None:
    envelope = {**MESSAGE_B, "udc_version": "1.0", "source": 12, "target": 13}
    body = client.post("/message", json=envelope).json()
    assert (body["udc_version"], body["message_type"]) == ("1.0", "response")
    assert (body["trace_id"], body["target"]) == ("t-1", 12)
    assert body["payload"]["received"] is True
    assert body["payload"]["result"] == "success"


@pytest.mark.parametrize("query", ["health", "state", "capabilities", "dependencies"])
def test_a_query_is_answered_with_the_report_it_names(client: TestClient, query: str) -> None:
    message = {**MESSAGE_A, "payload": {"query": query}}
    assert client.post("/message", json=message).json()["result"]


@pytest.mark.parametrize("asked", ["nonsense", 3, None, ["x"]])
def test_an_unknown_query_is_answered_with_what_is_known(client: TestClient, asked: object) -> None:
    body = client.post("/message", json={**MESSAGE_A, "payload": {"query": asked}}).json()
    assert body["status"] == "failed"
    assert "ping" in body["result"]["known"]
    envelope = {**MESSAGE_B, "message_type": "command", "udc_version": "1.0"}
    body = client.post("/message", json={**envelope, "payload": {"command": asked}}).json()
    assert (body["result"], body["payload"]["result"]) == ("error", "error")
    assert body["payload"]["error"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message_type": "query", "payload": {}},
        {**MESSAGE_A, "message_type": "gossip"},
        {**MESSAGE_A, "payload": "text"},
        {**MESSAGE_A, "from_service": "x" * 201},
        [],
    ],
)
def test_a_message_that_breaks_the_contract_is_400(client: TestClient, body: object) -> None:
    answer = client.post("/message", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["fields"]


def test_get_message_describes_the_endpoint(client: TestClient) -> None:
    body = client.get("/message").json()
    assert body["method"] == "POST"
    assert "query" in body["message_types"]


def test_an_answer_goes_to_a_reply_address_that_is_allowed(
    make_app: MakeApp, ecosystem: Ecosystem
) -> None:
    with TestClient(make_app(reply_hosts="friend, other")) as client:
        message = {**MESSAGE_A, "reply_to": "http://friend/replies"}
        sent = client.post("/message", json=message).json()
    assert [reply["message_id"] for reply in ecosystem.replies] == [sent["message_id"]]


@pytest.mark.parametrize("url", ["http://stranger/x", "file://friend/x", "http://[", "friend"])
def test_an_answer_goes_nowhere_else(make_app: MakeApp, ecosystem: Ecosystem, url: str) -> None:
    with TestClient(make_app(reply_hosts="friend")) as client:
        assert client.post("/message", json={**MESSAGE_A, "reply_to": url}).status_code == 200
    assert ecosystem.calls == []


def test_a_reply_that_cannot_be_delivered_harms_nobody(
    make_app: MakeApp, ecosystem: Ecosystem
) -> None:
    ecosystem.failures = 1
    with TestClient(make_app(reply_hosts="friend")) as client:
        message = {**MESSAGE_A, "reply_to": "http://friend/replies"}
        assert client.post("/message", json=message).status_code == 200
        assert client.get("/health").status_code == 200


def test_metrics_are_prometheus_text(client: TestClient) -> None:
    client.get("/health")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'droplet_requests_total{method="GET",status="200"} 1' in answer.text
