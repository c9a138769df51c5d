"""Tokens: RS256 only, checked on everything but /health once a key is available."""

import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi.testclient import TestClient

from app.auth import parse_public_key
from app.identity import load_identity
from tests.conftest import MakeApp
from tests.fakes import REGISTRY, Ecosystem

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
SIGNED_BY_TEXT = "a shared text of more than thirty-two bytes, which RS256 never uses"


def claims(**more: object) -> dict[str, Any]:
    now = int(time.time())
    return {"service_name": "caller", "iat": now - 10, "exp": now + 600, **more}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def good(**more: object) -> dict[str, str]:
    return bearer(jwt.encode(claims(**more), KEY, algorithm="RS256"))


@pytest.fixture
def guarded(make_app: MakeApp) -> TestClient:
    return TestClient(make_app(jwt_public_key=PEM))


def test_health_needs_no_token(guarded: TestClient) -> None:
    assert guarded.get("/health").status_code == 200
    assert guarded.get(f"/{load_identity().name}/health").status_code == 200


@pytest.mark.parametrize(
    "path", ["/capabilities", "/state", "/dependencies", "/message", "/metrics", "/nowhere"]
)
def test_everything_else_is_401_without_a_token(guarded: TestClient, path: str) -> None:
    answer = guarded.get(path)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "UNAUTHORIZED"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_good_token_opens_the_droplet(guarded: TestClient) -> None:
    answer = guarded.get("/capabilities", headers=good())
    assert answer.status_code == 200
    assert answer.json()["metadata"]["authentication"] == "bearer RS256"


@pytest.mark.parametrize(
    "token",
    [
        jwt.encode(claims(), None, algorithm="none"),
        jwt.encode(claims(), SIGNED_BY_TEXT, algorithm="HS256"),
        jwt.encode(claims(), OTHER_KEY, algorithm="RS256"),
        jwt.encode(claims(exp=int(time.time()) - 60), KEY, algorithm="RS256"),
        jwt.encode({"service_name": "x", "exp": 9_999_999_999}, KEY, algorithm="RS256"),
        jwt.encode({"service_name": "x", "iat": 1}, KEY, algorithm="RS256"),
        jwt.encode(claims(service_name=""), KEY, algorithm="RS256"),
        "garbage",
        "",
    ],
    ids="unsigned hs256 foreign expired no-iat no-exp nameless garbage empty".split(),
)
def test_a_bad_token_is_refused(guarded: TestClient, token: str) -> None:
    assert guarded.get("/state", headers=bearer(token)).status_code == 401


def test_another_scheme_is_refused(guarded: TestClient) -> None:
    header = {"Authorization": "Basic dXNlcjp4"}
    assert guarded.get("/state", headers=header).status_code == 401


def test_a_service_that_is_not_on_the_list_is_403(make_app: MakeApp) -> None:
    client = TestClient(make_app(jwt_public_key=PEM, allowed_services="friend"))
    refused = client.get("/state", headers=good())
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert client.get("/state", headers=good(service_name="friend")).status_code == 200


def test_a_refusal_is_logged_without_the_token(
    guarded: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    guarded.get("/state", headers=bearer("garbage-token"))
    assert "auth_denied" in caplog.messages
    assert "garbage-token" not in caplog.text


def test_the_key_is_fetched_from_the_registry_once(make_app: MakeApp, ecosystem: Ecosystem) -> None:
    ecosystem.public_key = PEM
    client = TestClient(make_app(registry_url=REGISTRY))
    assert client.get("/health").status_code == 200
    assert ecosystem.calls == []
    assert client.get("/state").status_code == 401
    assert client.get("/state", headers=good()).status_code == 200
    assert ecosystem.calls == ["GET registry/auth/public-key"]


def test_a_registry_without_a_key_leaves_the_droplet_open(
    make_app: MakeApp, ecosystem: Ecosystem
) -> None:
    client = TestClient(make_app(registry_url=REGISTRY))
    assert client.get("/capabilities").json()["metadata"]["authentication"].startswith("open")
    assert client.get("/state").status_code == 200
    assert len(ecosystem.calls) == 1


@pytest.mark.parametrize("served", ["", "no key at all"])
def test_required_tokens_close_the_droplet_while_there_is_no_key(
    make_app: MakeApp, ecosystem: Ecosystem, served: str
) -> None:
    ecosystem.public_key = served
    client = TestClient(make_app(registry_url=REGISTRY, auth_required=True))
    assert client.get("/state").status_code == 503
    assert client.get("/health").status_code == 200


def test_an_unreachable_registry_leaves_the_droplet_serving(
    make_app: MakeApp, ecosystem: Ecosystem
) -> None:
    ecosystem.failures = 1
    client = TestClient(make_app(registry_url=REGISTRY))
    assert client.get("/state").status_code == 200


def test_a_configured_key_may_be_written_on_one_line() -> None:
    assert parse_public_key(PEM.replace("\n", "\\n")).key_size == 2048


def test_a_key_that_is_not_rsa_stops_the_start(make_app: MakeApp) -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(ValueError, match="not an RSA key"):
        make_app(jwt_public_key=pem)
    with pytest.raises(ValueError):
        make_app(jwt_public_key="no key at all")
