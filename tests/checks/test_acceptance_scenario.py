"""One hidden test against a service on a unix socket: what is sent, what is kept, what is told of a miss."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from executor.checks.acceptance_scenario import carried_out
from executor.checks.probe import Patience, Probe, probing
from executor.domain.acceptance import Miss, Scenario
from tests.checks.acceptance_cases import call, check, save, scenario


class Shelf:
    """Books by number; strict about titles, and told to misbehave by a path."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, str, Mapping[str, str]]] = []
        self.stored: list[dict[str, Any]] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        self.heard.append((request.method, request.path_qs, text, request.headers))
        act = getattr(self, "on_" + request.path.split("/")[1], None)
        return await act(request, text) if act else web.json_response({"error": {}}, status=404)

    async def on_books(self, request: web.Request, text: str) -> web.StreamResponse:
        if request.method == "GET":
            return web.json_response({"data": self.stored[int(request.path.split("/")[2]) - 1]})
        try:
            book = json.loads(text)
        except ValueError:
            return web.json_response({"error": {"code": "INVALID_REQUEST"}}, status=400)
        self.stored.append({"id": len(self.stored) + 1, **book})
        place = f"http://droplet/books/{len(self.stored)}"
        return web.json_response({"data": self.stored[-1]}, status=201, headers={"Location": place})

    async def on_odd(self, *_: object) -> web.StreamResponse:
        return web.json_response({"id": "\ud800/..\r\n", "deep": [1]})

    async def on_broken(self, *_: object) -> web.StreamResponse:
        return web.Response(text="Internal \x1b[31mtrouble", status=500)

    async def on_hang(self, request: web.Request, _: str) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def probe(shelf: Shelf, tmp_path: Path) -> AsyncIterator[Probe]:
    app = web.Application()
    app.router.add_route("*", r"/{any:[\s\S]*}", shelf.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "s")).start()
    async with probing(str(tmp_path / "s"), Patience(answer=5.0)) as made:
        yield made
    await runner.cleanup()


async def missed(one: Scenario, probe: Probe, printed: str = "") -> Miss | None:
    return (await carried_out(one, probe, lambda: printed)).miss


async def test_calls_are_made_in_order_with_what_earlier_answers_gave(shelf: Shelf, probe: Probe):
    one = scenario(
        call(
            "POST /books",
            check("/data/title", "equals", "${unique} ü"),
            status=201,
            body='{"title": "${unique} ü", "n": [1, "x${unique}"]}',
            headers=[{"name": "X-Who", "value": "me-${unique}"}],
            save=[save("id", "/data/id"), save("title", "/data/title"), save("place", "Location", "header")],
        ),
        call(
            "GET /books/${id}",
            check("/data/id", "equals", "${id}"),
            query=[{"name": "q", "value": "${title}&"}],
        ),
        call("GET ${place}", check("/data/n/0", "equals", 1)),
    )
    assert await missed(one, probe) is None
    (_, _, body, headers), second, third = shelf.heard
    unique = json.loads(body)["title"].split()[0]
    assert unique.isalnum() and json.loads(body)["n"] == [1, f"x{unique}"]
    assert (headers["x-who"], headers["content-type"]) == (f"me-{unique}", "application/json")
    assert second[1] == f"/books/1?q={unique}+%C3%BC%26"
    assert third[1] == "/books/1"


async def test_scenarios_have_words_of_their_own_and_the_same_ones_every_time(shelf: Shelf, probe: Probe):
    for key in ("S1", "S2", "S1"):
        await missed(scenario(call("POST /books", status=201, body='{"t": "${unique}"}'), key=key), probe)
    first, second, again = (book["t"] for book in shelf.stored)
    assert first == again != second


async def test_a_raw_body_is_sent_as_it_is(shelf: Shelf, probe: Probe):
    one = scenario(call("POST /books", status=400, raw='{"title": ${unique}'))
    assert await missed(one, probe) is None
    assert shelf.heard[0][2] == '{"title": ${unique}'


async def test_a_miss_ends_the_scenario_and_tells_what_was_sent_and_seen(shelf: Shelf, probe: Probe):
    one = scenario(
        call("POST /books", status=201, body='{"title": "Momo"}', save=[save("id", "/data/id")]),
        call("GET /books/${id}", check("/data/title", "equals", "Hidden expectation")),
        call("DELETE /books/${id}", status=204),
    )
    miss = await missed(one, probe)
    assert miss is not None and miss.answered
    assert miss.sent == "GET /books/1"
    assert miss.observed.startswith("status 200, body") and "Momo" in miss.observed
    assert miss.before == ('POST /books with {"title": "Momo"} was answered with status 201',)
    assert "Hidden expectation" in miss.unmet[0]
    assert "Hidden expectation" not in miss.sent + miss.observed
    assert len(shelf.heard) == 2


async def test_a_value_that_cannot_be_saved_is_a_miss(probe: Probe):
    for at in ("/nothing", "/deep"):
        miss = await missed(scenario(call("GET /odd", save=[save("x", at)]), call("GET /${x}")), probe)
        assert miss is not None and miss.sent == "GET /odd"
        assert "holds one value" in miss.unmet[0]


async def test_an_odd_value_of_the_service_stays_one_part_of_a_path(shelf: Shelf, probe: Probe):
    one = scenario(
        call("GET /odd", save=[save("id", "/id")]),
        call("GET /books2/${id}/x", status=404, query=[{"name": "a", "value": "${id}"}]),
        call("GET /a", status=404, headers=[{"name": "X-A", "value": "${id}"}]),
    )
    miss = await missed(one, probe)
    assert shelf.heard[1][1].startswith("/books2/%3F%2F..%0D%0A/x?")
    assert miss is not None and not miss.answered  # no header is split in two: it is not sent at all
    assert len(shelf.heard) == 2


async def test_a_service_that_breaks_is_quoted_with_its_last_lines(probe: Probe):
    broken = await missed(scenario(call("GET /broken")), probe, "x" * 5000 + "ZeroDivisionError")
    assert broken is not None and broken.answered
    assert "status 500" in broken.observed and "ZeroDivisionError" in broken.observed
    assert len(broken.observed) <= 1200 and "\x1b" not in broken.observed
    gone = await missed(scenario(call("GET /hang")), probe, "killed")
    assert gone is not None and not gone.answered
    assert "killed" in gone.observed


async def test_a_wait_comes_before_its_call(shelf: Shelf, probe: Probe):
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert await missed(scenario(call("GET /x", status=404, wait=0.05)), probe) is None
    assert loop.time() - begun >= 0.05
