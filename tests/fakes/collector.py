"""A collector of traces that takes OTLP over HTTP with JSON and refuses whatever is not exactly that."""

from __future__ import annotations

import asyncio
import re
from types import TracebackType
from typing import Any

from aiohttp import web

from tests.patience import PATIENCE

_SPAN = {
    "traceId", "spanId", "parentSpanId", "flags", "name", "kind", "startTimeUnixNano", "endTimeUnixNano",
    "attributes", "events", "status",
}  # fmt: skip
_VALUES = {"stringValue": str, "boolValue": bool, "intValue": str, "doubleValue": float, "arrayValue": dict}


class Malformed(Exception):
    """What no collector would take."""


class FakeCollector:
    """`async with FakeCollector() as collector:` serves at `collector.url`.

    `spans` are those it has kept, with their `resource`; `statuses` are answered in turn, then 200, with
    `answer`; while `held` is not set, every request is kept waiting. `close` and `open` are an outage.
    """

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.requests: list[web.Request] = []
        self.refused: list[str] = []
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.answer: Any = {}
        self.resource: dict[str, Any] = {}
        self.held = asyncio.Event()
        self.held.set()
        self.url = ""
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._more = asyncio.Condition()

    async def __aenter__(self) -> FakeCollector:
        await self.open()
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Serve, at the address that it had before."""
        app = web.Application(client_max_size=16 << 20)
        app.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = site._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    async def close(self) -> None:
        """Be away."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def until(self, count: int) -> None:
        """Wait for so many spans, or requests that were not kept."""
        async with asyncio.timeout(PATIENCE), self._more:
            await self._more.wait_for(lambda: len(self.spans) >= count)

    async def until_named(self, start: str) -> None:
        """Wait for a span whose name starts so."""
        async with asyncio.timeout(PATIENCE), self._more:
            await self._more.wait_for(lambda: self.named(start))

    async def asked(self, count: int) -> None:
        """Wait for so many requests, whatever became of them."""
        async with asyncio.timeout(PATIENCE), self._more:
            await self._more.wait_for(lambda: len(self.requests) >= count)

    def named(self, start: str) -> list[dict[str, Any]]:
        """The kept spans whose name starts so, in the order of their beginnings."""
        found = [span for span in self.spans if span["name"].startswith(start)]
        return sorted(found, key=lambda span: int(span["startTimeUnixNano"]))

    async def _take(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        async with self._more:
            self._more.notify_all()
        await self.held.wait()
        status = self.statuses.pop(0) if self.statuses else 200
        if status != 200:
            return web.Response(status=status, headers=self.headers)
        try:
            if request.content_type != "application/json":
                raise Malformed(request.content_type)
            found = _spans(await request.json())
        except (Malformed, KeyError, TypeError, AttributeError) as error:
            self.refused.append(f"{type(error).__name__}: {error}")
            return web.Response(status=400)
        self.resource = found[0]
        async with self._more:
            self.spans += found[1]
            self._more.notify_all()
        return web.json_response(self.answer)


def _spans(body: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    (whole,) = body["resourceSpans"]
    (scoped,) = whole["scopeSpans"]
    _need(set(body) == {"resourceSpans"} and isinstance(scoped["scope"]["name"], str), "its frame")
    return _attributes(whole["resource"]["attributes"]), [_span(span) for span in scoped["spans"]]


def _span(span: dict[str, Any]) -> dict[str, Any]:
    _need(set(span) == _SPAN, f"fields {sorted(set(span) ^ _SPAN)}")
    _need(re.fullmatch(r"(?!0{32})[0-9a-f]{32}", span["traceId"]), "traceId")
    _need(re.fullmatch(r"(?!0{16})[0-9a-f]{16}", span["spanId"]), "spanId")
    _need(re.fullmatch(r"([0-9a-f]{16})?", span["parentSpanId"]), "parentSpanId")
    _need(span["name"] and span["kind"] in {1, 2, 3, 4, 5}, "name or kind")
    begun, ended = span["startTimeUnixNano"], span["endTimeUnixNano"]
    _need(re.fullmatch(r"\d{19}", begun) and re.fullmatch(r"\d{19}", ended), f"times {begun} {ended}")
    _need(int(begun) <= int(ended), "it ends before it starts")
    _need(span["status"].get("code", 0) in {0, 1, 2}, "status")
    events = [{**event, "attributes": _attributes(event["attributes"])} for event in span["events"]]
    _need(all(re.fullmatch(r"\d{19}", event["timeUnixNano"]) for event in events), "an event's time")
    return {**span, "attributes": _attributes(span["attributes"]), "events": events}


def _attributes(found: list[dict[str, Any]]) -> dict[str, Any]:
    _need(len({one["key"] for one in found}) == len(found), "an attribute comes twice")
    return {one["key"]: _value(one["value"]) for one in found}


def _value(value: dict[str, Any]) -> Any:
    ((kind, held),) = value.items()
    _need(type(held) is _VALUES[kind], f"{kind} {held!r}")
    if kind == "arrayValue":
        return [_value(item) for item in held["values"]]
    return int(held) if kind == "intValue" else held


def _need(holds: object, what: str) -> None:
    if not holds:
        raise Malformed(what)
