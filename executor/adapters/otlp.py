"""OTLP over HTTP with JSON (opentelemetry.io/docs/specs/otlp, 1.5): spans as one request to a collector."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from executor.domain.spans import Span, SpanEvent, Value
from executor.errors import Permanent, Transient

TracedSpan = tuple[str, Span]
"""The trace's id and the span."""
_PATH = "/v1/traces"
_REFUSED = {400, 413, 422}
_ERROR = 2
_MOST_ANSWER = 1 << 16


class OtlpCollector:
    """`endpoint` is OTLP's base address or the one of its traces; `resource` is what every span is about."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        endpoint: str,
        *,
        headers: Mapping[str, str],
        resource: Mapping[str, Value],
        timeout: float = 10.0,
    ) -> None:
        self._session = session
        self._url = endpoint.rstrip("/").removesuffix(_PATH) + _PATH
        self._headers = {**headers, "content-type": "application/json"}
        self._resource = resource
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def send(self, spans: Sequence[TracedSpan]) -> str:
        """Hand the spans over; returns what the collector says of those that it did not keep, mostly nothing.

        Raises Permanent when it will never take this request (400, 413, 422), Transient for no answer and
        every other status: that is the collector's trouble or the configuration's, not the spans'.
        """
        body = json.dumps(request_of(spans, self._resource), separators=(",", ":")).encode()
        try:
            async with self._session.post(
                self._url, data=body, headers=self._headers, timeout=self._timeout, allow_redirects=False
            ) as answer:
                said = await answer.content.read(_MOST_ANSWER)
                status, wait = answer.status, answer.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Transient(f"The collector of traces does not answer ({type(error).__name__}).") from error
        if status in _REFUSED:
            raise Permanent(f"The collector of traces refuses a request with {status}.")
        if not 200 <= status < 300:
            retry_after = float(wait) if wait.isdecimal() else None
            raise Transient(f"The collector of traces answers {status}.", retry_after=retry_after)
        return _not_kept(said)


def request_of(spans: Sequence[TracedSpan], resource: Mapping[str, Value]) -> dict[str, Any]:
    """An ExportTraceServiceRequest in OTLP's JSON: ids in hex, 64-bit numbers as text."""
    scope = {"name": "executor", "version": str(resource.get("service.version", ""))}
    scoped = {"scope": scope, "spans": [_span(trace, span) for trace, span in spans]}
    return {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scoped]}]}


def _span(trace_id: str, span: Span) -> dict[str, Any]:
    return {
        "traceId": trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_id,
        "flags": 1,
        "name": span.name,
        "kind": int(span.kind),
        "startTimeUnixNano": _nanoseconds(span.start),
        "endTimeUnixNano": _nanoseconds(max(span.start, span.end)),
        "attributes": _attributes(span.attributes),
        "events": [_event(event) for event in span.events],
        "status": {} if span.error is None else {"code": _ERROR, "message": span.error},
    }


def _event(event: SpanEvent) -> dict[str, Any]:
    return {
        "name": event.name,
        "timeUnixNano": _nanoseconds(event.at),
        "attributes": _attributes(event.attributes),
    }


def _nanoseconds(seconds: float) -> str:
    return str(round(seconds * 1e6) * 1000)  # a float of today has no more than microseconds


def _attributes(attributes: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, tuple):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": value}


def _not_kept(said: bytes) -> str:
    try:
        partial = json.loads(said or b"{}").get("partialSuccess") or {}
        count, why = int(partial.get("rejectedSpans") or 0), str(partial.get("errorMessage") or "")
    except (ValueError, AttributeError, TypeError):
        return ""  # it took the request, which is all that counts
    return f"{count} spans: {why}" if count else ""
