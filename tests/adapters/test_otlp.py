"""OTLP over HTTP with JSON, against a collector that refuses whatever is not exactly that."""

from __future__ import annotations

import json

import aiohttp
import pytest

from executor.adapters.otlp import OtlpCollector, request_of
from executor.domain.spans import Ids, Kind, Span, SpanEvent, present
from executor.errors import Permanent, Transient
from tests.fakes.collector import FakeCollector

IDS = Ids(b"salt", "build-1")
SPAN = Span(
    name="step 1",
    span_id=IDS.span("run", 1),
    parent_id="",
    kind=Kind.INTERNAL,
    start=1_800_000_000.25,
    end=1_800_000_001.5,
    attributes={"text": "ü", "whole": 3, "part": 0.5, "yes": True, "list": ("a", "b")},
    events=(SpanEvent("step_started", 1_800_000_000.5, {"message": "x"}),),
    error="It fell.",
)


async def sent(collector: FakeCollector, *spans: Span, endpoint: str = "", **headers: str) -> str:
    async with aiohttp.ClientSession() as session:
        service = OtlpCollector(
            session,
            endpoint or collector.url,
            headers=headers,
            resource={"service.name": "fpai"},
            timeout=5.0,
        )
        return await service.send([(IDS.trace, span) for span in spans])


async def test_a_span_arrives_with_its_times_values_events_and_error():
    async with FakeCollector() as collector:
        assert await sent(collector, SPAN) == ""
    (kept,) = collector.spans
    assert collector.resource == {"service.name": "fpai"}
    assert (kept["traceId"], kept["spanId"]) == (IDS.trace, SPAN.span_id)
    assert kept["startTimeUnixNano"] == "1800000000250000000"
    assert kept["endTimeUnixNano"] == "1800000001500000000"
    assert kept["attributes"] == {"text": "ü", "whole": 3, "part": 0.5, "yes": True, "list": ["a", "b"]}
    assert kept["events"][0]["attributes"] == {"message": "x"}
    assert kept["status"] == {"code": 2, "message": "It fell."}


@pytest.mark.parametrize("ending", ["", "/", "/v1/traces", "/v1/traces/"])
async def test_the_endpoint_may_be_the_base_address_or_that_of_the_traces(ending):
    async with FakeCollector() as collector:
        await sent(collector, SPAN, endpoint=collector.url + ending)
        assert len(collector.spans) == 1


async def test_the_configured_headers_go_along():
    async with FakeCollector() as collector:
        await sent(collector, SPAN, authorization="Bearer key")
        assert collector.requests[0].headers["authorization"] == "Bearer key"


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_request_that_will_never_be_taken_is_permanent(status):
    async with FakeCollector() as collector:
        collector.statuses = [status]
        with pytest.raises(Permanent):
            await sent(collector, SPAN)


@pytest.mark.parametrize("status", [302, 401, 403, 404, 429, 500, 503])
async def test_any_other_answer_is_to_be_asked_for_again(status):
    async with FakeCollector() as collector:
        collector.statuses, collector.headers = [status], {"Retry-After": "7", "Location": "/elsewhere"}
        with pytest.raises(Transient) as refused:
            await sent(collector, SPAN)
        assert refused.value.retry_after == 7.0
        assert len(collector.requests) == 1


async def test_nobody_there_is_to_be_asked_again():
    async with FakeCollector() as collector:
        await collector.close()
        with pytest.raises(Transient, match="does not answer"):
            await sent(collector, SPAN)


async def test_spans_that_were_not_kept_are_told_of():
    async with FakeCollector() as collector:
        collector.answer = {"partialSuccess": {"rejectedSpans": "1", "errorMessage": "too long"}}
        assert await sent(collector, SPAN) == "1 spans: too long"


@pytest.mark.parametrize("answer", [{"partialSuccess": {}}, {"partialSuccess": None}, [], "x", None])
async def test_whatever_else_it_says_it_took_them(answer):
    async with FakeCollector() as collector:
        collector.answer = answer
        assert await sent(collector, SPAN) == ""


@pytest.mark.parametrize(
    "broken",
    [
        {"traceId": "0" * 32},
        {"spanId": "short"},
        {"kind": 9},
        {"startTimeUnixNano": 5},
        {"endTimeUnixNano": "1"},
        {"status": {"code": 7}},
        {"more": 1},
        {"attributes": [{"key": "a", "value": {"intValue": 3}}]},
    ],
)
async def test_the_collector_of_these_tests_takes_nothing_malformed(broken):
    body = request_of([(IDS.trace, SPAN)], {})
    body["resourceSpans"][0]["scopeSpans"][0]["spans"][0].update(broken)
    async with FakeCollector() as collector, aiohttp.ClientSession() as session:
        headers = {"content-type": "application/json"}
        url = f"{collector.url}/v1/traces"
        async with session.post(url, data=json.dumps(body), headers=headers) as answer:
            assert answer.status == 400


def test_ids_are_the_same_again_and_of_one_state_directory_only():
    assert Ids(b"salt", "build-1").trace == IDS.trace
    assert Ids(b"salt", "build-1").span("run", 1) == SPAN.span_id
    others = {Ids(b"salt", "build-2").trace, Ids(b"other", "build-1").trace, IDS.span("run", 2)}
    assert len(others | {IDS.trace, SPAN.span_id}) == 5


def test_attributes_without_a_value_are_left_out():
    assert present({"a": None, "b": "", "c": 0, "d": False}) == {"c": 0, "d": False}
