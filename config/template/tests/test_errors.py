"""Errors: one body for all of them, nothing of the inside in any, headers on each."""

import sqlite3
from collections.abc import Iterator

import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.testclient import TestClient

from app.middleware import SECURITY_HEADERS
from tests.conftest import MakeApp


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    application = make_app(max_body_bytes=1024, rate_limit_per_minute=50)

    @application.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the inside of the droplet")

    @application.get("/locked")
    async def locked() -> None:
        raise sqlite3.OperationalError("database is locked")

    @application.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout")

    @application.post("/echo")
    async def echo(request: Request) -> dict[str, int]:
        return {"length": len(await request.body())}

    return application


@pytest.fixture
def broken_client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as open_client:
        yield open_client


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("DELETE", "/health", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/message", 400, "INVALID_REQUEST"),
        ("GET", "/broken", 500, "INTERNAL_ERROR"),
        ("GET", "/locked", 503, "DEPENDENCY_UNAVAILABLE"),
        ("GET", "/teapot", 418, "INVALID_REQUEST"),
    ],
)
def test_every_error_has_the_same_body_and_the_headers(
    broken_client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    answer = broken_client.request(method, path)
    assert answer.status_code == status
    body = answer.json()
    assert body["status"] == "error"
    assert body["error"]["code"] == code
    assert body["error"]["message"]
    assert body["error"]["request_id"] == answer.headers["x-request-id"]
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value


def test_a_500_tells_nothing_of_the_inside(broken_client: TestClient) -> None:
    text = broken_client.get("/broken").text
    assert "inside" not in text
    assert "Traceback" not in text
    assert broken_client.get("/state").json()["errors_last_hour"] == 1


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"message_type": NaN}',
        b'{"\\ud800": 1, "message_type": "query", "source": "\\ud800"}',
        b"[" * 900,
        b'{"message_type": "query", "source": 1e999}',
    ],
)
def test_a_body_that_is_not_sound_json_is_400(broken_client: TestClient, body: bytes) -> None:
    header = {"Content-Type": "application/json"}
    answer = broken_client.post("/message", content=body, headers=header)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "INVALID_REQUEST"


def test_a_body_that_is_too_large_is_413(broken_client: TestClient) -> None:
    assert broken_client.post("/echo", content=b"x" * 1024).json() == {"length": 1024}
    assert broken_client.post("/echo", content=b"x" * 1025).status_code == 413


def test_a_body_without_a_length_is_bounded_too(broken_client: TestClient) -> None:
    answer = broken_client.post("/echo", content=iter([b"x" * 1000, b"x" * 1000]))
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "PAYLOAD_TOO_LARGE"


def test_too_many_requests_are_429_but_health_goes_on(broken_client: TestClient) -> None:
    # Two windows may be met, so more than twice the limit is sent.
    answers = [broken_client.get("/metrics") for _ in range(102)]
    assert all(answer.status_code == 200 for answer in answers[:50])
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert broken_client.get("/health").status_code == 200
    assert refused.headers["retry-after"] == "60"
    assert refused.json()["error"]["code"] == "RATE_LIMITED"


def test_a_request_id_is_kept_if_it_is_plain(broken_client: TestClient) -> None:
    kept = broken_client.get("/health", headers={"X-Request-ID": "abc-123"})
    assert kept.headers["x-request-id"] == "abc-123"
    made = broken_client.get("/health", headers={"X-Request-ID": "a b\t<c>"})
    assert made.headers["x-request-id"] not in ("", "a b\t<c>")


def test_no_origin_is_let_in(broken_client: TestClient) -> None:
    answer = broken_client.get("/health", headers={"Origin": "https://elsewhere.example"})
    assert "access-control-allow-origin" not in answer.headers
