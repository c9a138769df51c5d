"""What a release says of itself is passed on within bounds; what it refuses is said, never raised."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from executor.adapters.registry_entry import Load
from executor.adapters.running_release import capabilities_of, load_of

BOTH = {
    "service_name": "library", "droplet_id": 13, "version": "1", "capabilities": ["books"],
    "supported_operations": ["GET /books"], "features": ["books"], "dependencies": [], "udc_version": "1.0",
    "integration_endpoints": [{"path": "/books", "method": "GET", "description": "All"}], "metadata": {},
}  # fmt: skip


class Release:
    """Answers every path with `text` and `status`, or not at all."""

    def __init__(self) -> None:
        self.text = json.dumps(BOTH)
        self.status = 200
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        if self.status == 0:
            request.transport.abort()
        headers = {"Location": "/elsewhere"} if self.status == 302 else {}
        return web.Response(text=self.text, status=self.status or 200, headers=headers)


@pytest.fixture
async def release() -> AsyncIterator[Release]:
    release, app = Release(), web.Application()
    app.router.add_get("/{path:.*}", release.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    release.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield release
    await runner.cleanup()


async def test_both_variants_are_passed_on_but_for_what_the_executor_knows_better(release):
    told = await capabilities_of(release.url + "/")
    assert told.problem == ""
    kept = {"service_name", "droplet_id", "version", "metadata"}
    assert told.metadata == {key: value for key, value in BOTH.items() if key not in kept}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (["x" * 20_000], "long"),
        (json.loads("[" * 20 + "]" * 20), "deep"),
        (["\ud800"], "no text"),
        ([float("inf")], "no number"),
    ],
)
async def test_what_a_registry_could_not_take_is_left_out_and_the_rest_is_told(release, value, why):
    release.text = json.dumps(BOTH | {"features": value})
    told = await capabilities_of(release.url)
    assert "features" in told.problem, why
    assert "features" not in told.metadata
    assert told.metadata["integration_endpoints"] == BOTH["integration_endpoints"]


@pytest.mark.parametrize(
    ("status", "text", "why"),
    [
        (401, "{}", "answered 401"),
        (302, "{}", "answered 302"),
        (0, "", "did not answer"),
        (200, "<html>", "not JSON"),
        (200, "[1]", "not an object"),
        (200, "[" * 100_000, "not JSON"),
        (200, json.dumps({"features": "x" * 300_000}), "more than 256 KiB"),
    ],
)
async def test_a_release_that_tells_nothing_of_use_is_described_in_words(release, status, text, why):
    release.status, release.text = status, text
    told = await capabilities_of(release.url)
    assert told.metadata == {}
    assert why in told.problem


@pytest.mark.parametrize(
    ("text", "cpu"),
    [('{"cpu_percent": 12.5}', 12.5), ('{"cpu_percent": "high"}', None), ("{}", None), ("no", None),
     ('{"cpu_percent": true}', None), ('{"cpu_percent": NaN}', None)],
)  # fmt: skip
async def test_the_load_is_the_share_of_a_cpu_where_one_is_told(release, text, cpu):
    release.text = text
    assert await load_of(release.url) == Load(cpu=cpu)
