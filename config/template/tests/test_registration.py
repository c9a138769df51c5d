"""Registration and heartbeat, against an ecosystem that behaves as the running one does."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.identity import load_identity
from app.peers import Peers
from app.registration import Registration
from tests.conftest import MakeApp
from tests.fakes import ORCHESTRATOR, REGISTRY, Ecosystem

IDENTITY = load_identity()


def run_round(ecosystem: Ecosystem, rounds: int = 1, **more: object) -> None:
    """Run rounds of registration without waiting between tries."""
    values = {"registry_url": REGISTRY, "orchestrator_url": ORCHESTRATOR, **more}
    settings = Settings.model_validate(values)

    async def go() -> None:
        transport = httpx.MockTransport(ecosystem.answer)
        async with httpx.AsyncClient(transport=transport) as client:
            peers = Peers(settings, client)
            registration = Registration(settings, IDENTITY, peers, client, first_wait=0)
            for _ in range(rounds):
                await registration.round()

    asyncio.run(go())


def test_a_new_droplet_registers_under_its_own_id(ecosystem: Ecosystem) -> None:
    run_round(ecosystem, public_url="http://me:9/")
    entry = ecosystem.droplets[IDENTITY.id]
    assert (entry["name"], entry["endpoint"]) == (IDENTITY.name, "http://me:9")
    assert entry["metadata"]["version"] == IDENTITY.version


def test_an_entry_of_the_same_name_is_updated_and_keeps_its_metadata(ecosystem: Ecosystem) -> None:
    old = {"id": 77, "name": IDENTITY.name, "endpoint": "http://old", "metadata": {"kept": 1}}
    ecosystem.droplets[77] = old
    run_round(ecosystem, release_id="r-2")
    assert list(ecosystem.droplets) == [77]
    entry = ecosystem.droplets[77]
    assert entry["endpoint"].startswith(f"http://{IDENTITY.name}:")
    assert (entry["metadata"]["kept"], entry["metadata"]["release"]) == (1, "r-2")


def test_a_name_that_appears_meanwhile_is_looked_up_and_updated(ecosystem: Ecosystem) -> None:
    ecosystem.droplets[77] = {"id": 77, "name": IDENTITY.name, "endpoint": "http://old"}
    ecosystem.hidden_once.add(IDENTITY.name)
    run_round(ecosystem)
    assert any(call.startswith("POST registry") for call in ecosystem.calls)
    assert ecosystem.droplets[77]["endpoint"] != "http://old"


def test_the_id_of_another_droplet_is_never_taken(ecosystem: Ecosystem) -> None:
    other = {"id": IDENTITY.id, "name": "somebody-else", "endpoint": "http://other"}
    ecosystem.droplets[IDENTITY.id] = dict(other)
    run_round(ecosystem)
    assert ecosystem.droplets[IDENTITY.id] == other
    assert ecosystem.droplets[IDENTITY.id + 1]["name"] == IDENTITY.name


def test_an_entry_that_is_up_to_date_is_left_alone(ecosystem: Ecosystem) -> None:
    run_round(ecosystem, rounds=2)
    assert not any(call.startswith("PATCH") for call in ecosystem.calls)


def test_a_registry_that_forgot_is_told_again(ecosystem: Ecosystem) -> None:
    run_round(ecosystem)
    ecosystem.droplets.clear()
    run_round(ecosystem)
    assert IDENTITY.id in ecosystem.droplets


def test_the_heartbeat_is_a_status_message(ecosystem: Ecosystem) -> None:
    run_round(ecosystem, release_id="r-1")
    (message,) = ecosystem.messages
    assert (message["source"], message["target"]) == (IDENTITY.name, "orchestrator")
    assert message["message_type"] == "status"
    assert message["payload"]["release"] == "r-1"
    assert message["trace_id"]


@pytest.mark.parametrize("suffix", ["", "/orchestrator"])
def test_the_heartbeat_finds_an_orchestrator_without_a_prefix(
    ecosystem: Ecosystem, suffix: str
) -> None:
    ecosystem.prefixed_orchestrator = False
    run_round(ecosystem, orchestrator_url=ORCHESTRATOR + suffix)
    assert len(ecosystem.messages) == 1


def test_a_call_that_fails_is_tried_again(ecosystem: Ecosystem) -> None:
    ecosystem.failures = 3
    run_round(ecosystem, orchestrator_url="")
    assert IDENTITY.id in ecosystem.droplets


def test_an_ecosystem_that_stays_away_is_only_logged(
    ecosystem: Ecosystem, caplog: pytest.LogCaptureFixture
) -> None:
    ecosystem.failures = 1000
    run_round(ecosystem)
    assert caplog.messages.count("ecosystem_call_failed") == 6


def test_the_deployer_may_take_registration_over(ecosystem: Ecosystem) -> None:
    run_round(ecosystem, REGISTER="false")
    assert ecosystem.droplets == {}
    assert ecosystem.messages == []


def test_the_running_application_registers_and_ends_cleanly(
    make_app: MakeApp, ecosystem: Ecosystem
) -> None:
    app = make_app(registry_url=REGISTRY, heartbeat_seconds=0.01)
    with TestClient(app) as client:
        client.portal.call(_until, lambda: IDENTITY.id in ecosystem.droplets)  # type: ignore[union-attr]
        assert client.get("/health").status_code == 200
    assert ecosystem.droplets[IDENTITY.id]["status"] == "active"


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def test_without_addresses_nobody_is_called(make_app: MakeApp, ecosystem: Ecosystem) -> None:
    with TestClient(make_app()) as client:
        client.get("/dependencies")
    assert ecosystem.calls == []


def test_an_address_that_is_none_stops_the_start() -> None:
    with pytest.raises(ValueError, match="http"):
        Settings(registry_url="ftp://registry")
