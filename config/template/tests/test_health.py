"""/health: cheap, open, and exact about which release answers."""

from datetime import datetime, timedelta

from fastapi.testclient import TestClient

from app.identity import load_identity
from tests.conftest import MakeApp


def test_health_at_the_root_speaks_the_words_of_the_running_services(client: TestClient) -> None:
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "active"


def test_health_under_the_name_speaks_the_words_of_the_documents(client: TestClient) -> None:
    answer = client.get(f"/{load_identity().name}/health")
    assert answer.json()["status"] == "healthy"


def test_health_carries_the_fields_of_both_variants(client: TestClient) -> None:
    body = client.get("/health").json()
    identity = load_identity()
    assert body["service"] == identity.name
    assert body["version"] == identity.version
    assert body["droplet_id"] == identity.id
    assert body["uptime_seconds"] >= 0
    assert body["checks"] == {"storage": "unused"}


def test_the_timestamp_is_iso_8601_in_utc(client: TestClient) -> None:
    stamp = client.get("/health").json()["timestamp"]
    assert datetime.fromisoformat(stamp).utcoffset() == timedelta(0)


def test_the_release_is_unknown_unless_the_deployer_names_it(client: TestClient) -> None:
    body = client.get("/health").json()
    assert (body["release"], body["build"], body["commit"]) == ("unknown",) * 3


def test_health_proves_which_release_answers(make_app: MakeApp) -> None:
    facts = {"release_id": "r-7", "build_id": "build-13-x", "commit": "abc123"}
    with TestClient(make_app(**facts)) as client:
        body = client.get("/health").json()
    assert (body["release"], body["build"], body["commit"]) == ("r-7", "build-13-x", "abc123")
