"""Bad input is the caller's to mend: each gets its clear error, and nothing is started or lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from executor.web.documents import ErrorEnvelope
from tests.web.conftest import SUBMIT, Site

JSON = {"Content-Type": "application/json"}
GOOD = {"architect_intent": "Build Analytics Engine"}
NOBODY = "/executor/builds/build-99-nothing-20260101-001"

BODIES: list[tuple[str, Any, str]] = [
    ("no intent", {}, "architect_intent"),
    ("an empty intent", {"architect_intent": ""}, "architect_intent"),
    ("a blank intent", {"architect_intent": " \n\t "}, "architect_intent"),
    ("an intent of 30,000 characters", {"architect_intent": "a" * 30_000}, "architect_intent"),
    ("an intent that is a number", {"architect_intent": 5}, "architect_intent"),
    ("an intent with a NUL", {"architect_intent": "Build\u0000it"}, "architect_intent"),
    ("a negative id", {**GOOD, "droplet_id": -1}, "droplet_id"),
    ("id zero", {**GOOD, "droplet_id": 0}, "droplet_id"),
    ("a bool as id", {**GOOD, "droplet_id": True}, "droplet_id"),
    ("text as id", {**GOOD, "droplet_id": "13"}, "droplet_id"),
    ("a fraction as id", {**GOOD, "droplet_id": 1.5}, "droplet_id"),
    ("a huge id", {**GOOD, "droplet_id": 10**30}, "droplet_id"),
    ("a path as name", {**GOOD, "droplet_name": "../x"}, "droplet_name"),
    ("an empty name", {**GOOD, "droplet_name": ""}, "droplet_name"),
    ("a reserved name", {**GOOD, "droplet_name": "health"}, "droplet_name"),
    ("a list as name", {**GOOD, "droplet_name": ["x"]}, "droplet_name"),
    ("an unknown mode", {**GOOD, "approval_mode": "yolo"}, "approval_mode"),
    ("an unknown channel", {**GOOD, "notify_channels": ["pigeon"]}, "notify_channels"),
    ("a channel that is a number", {**GOOD, "notify_channels": [1]}, "notify_channels"),
    ("channels that are text", {**GOOD, "notify_channels": "slack"}, "notify_channels"),
    ("an unknown field", {**GOOD, "colour": "red"}, "colour"),
    ("an unknown target", {**GOOD, "target": "moon"}, "target"),
    ("auto_approve as text", {**GOOD, "auto_approve": "yes"}, "auto_approve"),
    ("a negative budget", {**GOOD, "budget_usd": -5}, "budget_usd"),
    ("a budget of nothing", {**GOOD, "budget_usd": 0}, "budget_usd"),
    ("a bool as budget", {**GOOD, "budget_usd": True}, "budget_usd"),
]
RAW: list[tuple[str, bytes]] = [
    ("half an object", b'{"architect_intent": "x"'),
    ("no JSON at all", b"hello"),
    ("an array", b"[]"),
    ("a string", b'"x"'),
    ("NaN", b'{"architect_intent": "x", "budget_usd": NaN}'),
    ("an infinite number", b'{"architect_intent": "x", "budget_usd": 1e999}'),
    ("a doubled key", b'{"architect_intent": "x", "architect_intent": "y"}'),
    ("endless nesting", b'{"architect_intent":' + b"[" * 50_000 + b"]" * 10_000 + b"}"),
    ("bytes that are not UTF-8", b'{"architect_intent": "\xff\xfe"}'),
    ("half a surrogate pair", b'{"architect_intent": "\\ud800"}'),
    ("a number of 6,000 digits", b'{"architect_intent": "x", "droplet_id": ' + b"9" * 6000 + b"}"),
]


def envelope(reply: Any) -> Any:
    """The reply's error, which has to be the envelope and nothing else."""
    error = ErrorEnvelope.model_validate(reply).error
    assert error.message
    assert error.request_id
    assert "Traceback" not in json.dumps(reply)
    return error


@pytest.mark.parametrize(("body", "field"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
async def test_a_wrong_field_is_400_and_named(site: Site, body: Any, field: str) -> None:
    status, reply, _ = await site.post(SUBMIT, body)
    assert status == 400
    error = envelope(reply)
    assert error.code == "INVALID_INPUT"
    assert field in {str(f["loc"][0]) for f in error.details["fields"]}
    assert all(f["msg"] for f in error.details["fields"])
    assert (await site.get("/executor/builds"))[1] == []


@pytest.mark.parametrize("raw", [row[1] for row in RAW], ids=[row[0] for row in RAW])
async def test_what_is_not_strict_json_is_400(site: Site, raw: bytes) -> None:
    status, reply, _ = await site.call("POST", SUBMIT, data=raw, headers=JSON)
    assert (status, envelope(reply).code) == (400, "INVALID_INPUT")


async def test_everything_that_is_wrong_is_told_at_once(site: Site) -> None:
    body = {"architect_intent": "", "droplet_id": -1, "approval_mode": "yolo", "colour": "red"}
    reply = (await site.post(SUBMIT, body))[1]
    named = {f["loc"][0] for f in envelope(reply).details["fields"]}
    assert named == set(body)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_100_kb_is_413_whether_its_length_is_told_or_not(site: Site, chunked: bool) -> None:
    raw = json.dumps({"architect_intent": "a" * 100_000}).encode()

    async def pieces() -> Any:
        for at in range(0, len(raw), 8192):
            yield raw[at : at + 8192]

    status, reply, _ = await site.call("POST", SUBMIT, data=pieces() if chunked else raw, headers=JSON)
    assert (status, envelope(reply).code) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "x"],
)
async def test_another_content_type_is_415(site: Site, content_type: str) -> None:
    raw = json.dumps(GOOD).encode()
    status, reply, _ = await site.call("POST", SUBMIT, data=raw, headers={"Content-Type": content_type})
    assert (status, envelope(reply).code) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_charset_of_utf_8_is_json_all_the_same(site: Site) -> None:
    headers = {"Content-Type": 'application/json; charset="UTF-8"'}
    assert (await site.call("POST", SUBMIT, data=json.dumps(GOOD).encode(), headers=headers))[0] == 202


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/status"), ("GET", "/events"), ("GET", "/spec"), ("GET", "/diff"), ("GET", "/tests"),
        ("GET", "/report"), ("GET", "/log"), ("GET", "/turns"), ("POST", "/approve"), ("POST", "/answer"),
        ("POST", "/budget"), ("POST", "/retry"), ("POST", "/rollback"), ("DELETE", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("build", [NOBODY, "/executor/builds/nonsense", "/executor/builds/%00%ff"])
async def test_an_unknown_build_is_404(site: Site, build: str, method: str, path: str) -> None:
    status, reply, _ = await site.call(method, build + path)
    assert (status, envelope(reply).code) == (404, "BUILD_NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/approve", {"checkpoint": "moon"}, "checkpoint"),
        ("/approve", {"decision": "maybe"}, "decision"),
        ("/approve", {"feedback": "x" * 20_000}, "feedback"),
        ("/approve", {"gate_id": 5}, "gate_id"),
        ("/approve", {"who": "me"}, "who"),
        ("/answer", {}, "answers"),
        ("/answer", {"answers": {}}, "answers"),
        ("/answer", {"answers": {"a": 1}}, "answers"),
        ("/budget", {}, "usd"),
        ("/budget", {"usd": "5"}, "usd"),
        ("/budget", {"usd": -1}, "usd"),
        ("/retry", {"from_step": 9}, "from_step"),
        ("/retry", {"from_step": 0}, "from_step"),
        ("/retry", {"from_step": "3"}, "from_step"),
        ("/retry?from_step=9", None, "query"),
        ("/retry?from_step=three", None, "query"),
        ("/rollback", {"why": "x"}, "why"),
    ],
)
async def test_a_wrong_decision_is_400_and_named(site: Site, path: str, body: Any, field: str) -> None:
    build = await site.finished()
    status, reply, _ = await site.post(f"/executor/builds/{build.id}{path}", body)
    assert status == 400, reply
    assert field in {str(f["loc"][0]) for f in envelope(reply).details["fields"]}


@pytest.mark.parametrize(
    "query",
    [
        "status=flying", "droplet_id=x", "droplet_id=-1", "limit=0", "limit=1000000", "limit=1e3",
        "cursor=nonsense", "cursor=nan_build-1-a-20260101-001", "cursor=1_x", "cursor=%00", "limit=%D9%A1",
    ],
)  # fmt: skip
async def test_a_wrong_query_of_the_list_is_400(site: Site, query: str) -> None:
    status, reply, _ = await site.get(f"/executor/builds?{query}")
    assert (status, envelope(reply).code) == (400, "INVALID_INPUT")


@pytest.mark.parametrize(
    "query", ["events?after=-1", "log?after=x", "log?level=loud", "spec?version=0", "log?search=%00"]
)
async def test_a_wrong_query_below_a_build_is_400(site: Site, query: str) -> None:
    build = await site.finished()
    status, reply, _ = await site.get(f"/executor/builds/{build.id}/{query}")
    assert (status, envelope(reply).code) == (400, "INVALID_INPUT")


@pytest.mark.parametrize("key", ["a b", "x" * 300, "é"])
async def test_an_unusable_idempotency_key_is_400(site: Site, key: str) -> None:
    status, reply, _ = await site.post(SUBMIT, GOOD, headers={"Idempotency-Key": key})
    assert (status, envelope(reply).code) == (400, "INVALID_INPUT")


async def test_a_number_or_name_of_another_droplet_is_409_with_a_way_out(site: Site) -> None:
    await site.finished(droplet_id=20, droplet_name="books")
    await site.finished(droplet_id=21, droplet_name="films")
    status, reply, _ = await site.post(SUBMIT, {**GOOD, "droplet_id": 20, "droplet_name": "films"})
    error = envelope(reply)
    assert status == 409
    assert error.details["free_id"]
    assert error.details["free_name"]


async def test_an_unknown_address_and_a_wrong_method_are_envelopes_too(site: Site) -> None:
    status, reply, _ = await site.get("/executor/nothing")
    assert (status, envelope(reply).code) == (404, "NOT_FOUND")
    status, reply, headers = await site.call("PUT", SUBMIT)
    assert (status, envelope(reply).code, headers["allow"]) == (405, "METHOD_NOT_ALLOWED", "POST")
    status, reply, headers = await site.call("PATCH", "/executor/builds")
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert (await site.get("/executor/builds/"))[0] == 404
    assert (await site.get("/static/../../etc/passwd"))[0] == 404
    assert (await site.get("/executor/nothing"))[0] == 404
