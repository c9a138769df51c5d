"""Request ids, traces, and the net under everything."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
import structlog

from executor.logs import configure
from tests.web.conftest import Serving, Site

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_a_request_id_is_echoed_and_stands_in_errors(site: Site) -> None:
    headers = {"X-Request-ID": "deploy:42.a-b_c", "traceparent": TRACE}
    _, reply, sent = await site.get("/nothing", headers=headers)
    assert sent["x-request-id"] == reply["error"]["request_id"] == "deploy:42.a-b_c"
    assert sent["traceparent"] == TRACE


@pytest.mark.parametrize("given", ["", "a b", "x" * 200, "<script>", "a;b"])
async def test_an_unusable_request_id_is_replaced(site: Site, given: str) -> None:
    _, _, sent = await site.get("/livez", headers={"X-Request-ID": given})
    assert sent["x-request-id"] not in {"", given}


@pytest.mark.parametrize(
    "given", ["", "00-0-0-0", TRACE.upper(), TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32)]
)
async def test_an_unusable_traceparent_is_not_echoed(site: Site, given: str) -> None:
    _, _, sent = await site.get("/livez", headers={"traceparent": given})
    assert "traceparent" not in sent


async def test_two_requests_get_two_ids(site: Site) -> None:
    first, second = [(await site.get("/livez"))[2]["x-request-id"] for _ in range(2)]
    assert first != second


async def test_a_fault_of_ours_is_500_without_a_traceback_and_the_log_has_the_id(serve: Serving) -> None:
    def broken(_: str) -> str:
        raise ZeroDivisionError("secret detail")

    before, out = structlog.get_config(), StringIO()
    configure(stream=out)
    try:
        async with serve(api={"dependencies": lambda: [broken("x")]}) as site:
            status, reply, sent = await site.get("/dependencies")
            assert (await site.get("/livez"))[0] == 200
    finally:
        structlog.configure(**before)
    assert (status, reply["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert "secret detail" not in json.dumps(reply)
    lines: list[dict[str, Any]] = [json.loads(line) for line in out.getvalue().splitlines()]
    failure = next(line for line in lines if line["event"] == "unexpected_error")
    assert "ZeroDivisionError" in failure["exception"]
    assert failure["request_id"] == sent["x-request-id"]
    access = next(line for line in lines if line["event"] == "request")
    assert (access["status"], access["path"], access["method"]) == (500, "/dependencies", "GET")
    assert "/livez" not in out.getvalue()


async def test_submits_are_logged_with_their_id_and_reads_are_not(serve: Serving) -> None:
    before, out = structlog.get_config(), StringIO()
    configure(stream=out)
    try:
        async with serve() as site:
            await site.post(
                "/executor/build-droplet",
                {"architect_intent": "Build Books"},
                headers={"X-Request-ID": "r-1"},
            )
            await site.get("/executor/builds")
    finally:
        structlog.configure(**before)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    access = [line for line in lines if line["event"] == "request"]
    assert [(line["method"], line["status"], line["request_id"]) for line in access] == [("POST", 202, "r-1")]
