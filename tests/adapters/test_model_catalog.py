"""The look-up of a model warns in time, tells a retired one, and never stops anything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from executor.adapters.model_catalog import ModelFacts, look_up
from tests.fakes.model import ScriptedModel, script

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MODEL = "claude-sonnet-5-5"
KEY = "sk-ant-api03-secret"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as one:
        yield one


@pytest.fixture
async def service() -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel(script()) as one:
        yield one


async def asked(session: aiohttp.ClientSession, service: ScriptedModel, **more: Any) -> ModelFacts | None:
    return await look_up(session, MODEL, base_url=service.url, api_key=KEY, now=NOW, **more)


async def test_an_active_model_is_described_without_a_warning(
    session: aiohttp.ClientSession, service: ScriptedModel
) -> None:
    service.describe(MODEL, max_tokens=64_000, max_input_tokens=200_000)
    assert await asked(session, service) == ModelFacts(
        MODEL, lifecycle="active", max_tokens=64_000, max_input_tokens=200_000
    )
    assert service.lookups == [MODEL]


@pytest.mark.parametrize(
    ("facts", "words", "retired"),
    [
        ({"retires_at": "2026-11-30T00:00:00Z"}, "will be retired on 2026-11-30", False),
        ({"retires_at": "2026-12-31"}, "will be retired on 2026-12-31", False),
        ({"retires_at": "2027-01-02T00:00:00Z"}, "", False),
        ({"lifecycle": "deprecated"}, "is deprecated", False),
        ({"lifecycle": "deprecated", "retires_at": "2027-06-01T00:00:00Z"}, "retired on 2027-06-01", False),
        ({"lifecycle": "deprecated", "retires_at": "2026-10-01T00:00:00Z"}, "any day", False),
        ({"lifecycle": "retired", "retires_at": "2026-10-01T00:00:00Z"}, "was retired on 2026-10-01", True),
        ({"lifecycle": "retired"}, "was retired;", True),
        ({"lifecycle": "active", "retires_at": "2026-10-31T23:59:59Z"}, "was retired on 2026-10-31", True),
        ({"lifecycle": None, "retires_at": "2026-11-01T00:00:00Z"}, "was retired on 2026-11-01", True),
    ],
    ids=str,
)
async def test_the_end_of_a_model_is_told_in_time_and_by_its_date(
    session: aiohttp.ClientSession,
    service: ScriptedModel,
    facts: dict[str, Any],
    words: str,
    retired: bool,
) -> None:
    service.describe(MODEL, **facts)
    found = await asked(session, service)
    assert found is not None
    assert words in found.warning
    assert bool(words) == bool(found.warning)
    assert found.retired is retired
    assert not found.warning or "[model] model" in found.warning


async def test_a_model_that_is_not_known_is_a_warning_and_not_a_failure(
    session: aiohttp.ClientSession, service: ScriptedModel
) -> None:
    service.catalogue[MODEL] = 404
    found = await asked(session, service)
    assert found is not None
    assert (found.lifecycle, found.retired) == ("unknown", False)
    assert f"does not know the model {MODEL}" in found.warning


@pytest.mark.parametrize("status", [401, 403, 429, 500, 529])
async def test_an_error_of_the_service_is_no_answer(
    session: aiohttp.ClientSession, service: ScriptedModel, status: int
) -> None:
    service.catalogue[MODEL] = status
    assert await asked(session, service) is None


@pytest.mark.parametrize(
    "facts",
    [{"retires_at": "soon"}, {"retires_at": 7}, {"max_tokens": "many"}, {"max_input_tokens": [1]}],
    ids=str,
)
async def test_an_answer_of_another_form_is_no_answer(
    session: aiohttp.ClientSession, service: ScriptedModel, facts: dict[str, Any]
) -> None:
    service.describe(MODEL, **facts)
    assert await asked(session, service) is None


@pytest.mark.parametrize(
    "body",
    ["", "<html>no", "[1]", "null", "3", "[" * 100_000, '{"max_tokens": Infinity}', f'"{"a" * (2 << 20)}"'],
    ids=lambda body: body[:9],
)
async def test_what_is_no_description_is_no_answer(session: aiohttp.ClientSession, body: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body)

    async with _serving(answer) as url:
        assert await look_up(session, MODEL, base_url=url, now=NOW) is None


async def test_an_answer_in_pieces_is_read_to_its_end(session: aiohttp.ClientSession) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (b'{"id": "x", ', b'"max_tokens": 5}'):
            await response.write(piece)
            await asyncio.sleep(0.02)
        return response

    async with _serving(answer) as url:
        assert await look_up(session, MODEL, base_url=url, now=NOW) == ModelFacts("x", max_tokens=5)


async def test_nobody_there_and_no_address_are_no_answer(
    session: aiohttp.ClientSession, service: ScriptedModel
) -> None:
    async with ScriptedModel(script()) as gone:
        pass
    for address in (gone.url, "localhost", "http://[broken", "ftp://x"):
        assert await look_up(session, MODEL, base_url=address, now=NOW) is None


async def test_a_service_that_does_not_answer_in_time_is_no_answer(session: aiohttp.ClientSession) -> None:
    async def answer(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async with _serving(answer) as url:
        assert await look_up(session, MODEL, base_url=url, timeout=0.05, now=NOW) is None


async def test_a_redirect_does_not_carry_the_key_elsewhere(
    session: aiohttp.ClientSession, service: ScriptedModel
) -> None:
    async def answer(_: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(f"{service.url}/v1/models/{MODEL}")

    async with _serving(answer) as url:
        assert await look_up(session, MODEL, base_url=url, api_key=KEY, now=NOW) is None
    assert service.lookups == []


async def test_the_request_carries_version_and_key_and_a_name_cannot_leave_its_path(
    session: aiohttp.ClientSession,
) -> None:
    seen: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request)
        return web.json_response({"id": "x"})

    async with _serving(answer) as url:
        await look_up(session, "../secrets?x", base_url=f"{url}/proxy/", api_key=KEY, now=NOW)
    assert seen[0].raw_path == "/proxy/v1/models/..%2Fsecrets%3Fx"
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert seen[0].headers["anthropic-version"]


async def test_a_key_that_no_header_can_carry_is_no_answer_and_is_not_logged(
    session: aiohttp.ClientSession, service: ScriptedModel, caplog: pytest.LogCaptureFixture, capsys: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    assert await look_up(session, MODEL, base_url=service.url, api_key="first\nsecond", now=NOW) is None
    assert "second" not in caplog.text + "".join(capsys.readouterr())


class _serving:
    """One handler for every path, on loopback."""

    def __init__(self, answer: Any) -> None:
        self._app = web.Application()
        self._app.router.add_route("*", "/{path:.*}", answer)
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=0.1)

    async def __aenter__(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
