"""What a service does to whoever asks it stays within bounds."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from executor.checks.probe import Answer, Patience, Probe, probing
from tests.fakes.droplet import Fake, Handler


@asynccontextmanager
async def facing(where: Path, handler: Handler, patience: Patience) -> AsyncIterator[tuple[Probe, Fake]]:
    fake, socket = Fake(), where / "app.sock"
    fake.handlers["GET", "/x"] = handler
    async with fake.serving(socket), probing(str(socket), patience) as probe:
        yield probe, fake


async def ask(where: Path, handler: Handler) -> Answer:
    async with facing(where, handler, Patience(answer=5.0)) as (probe, _):
        return await probe.ask("GET", "/x")


async def test_a_redirect_is_an_answer_and_is_not_followed(tmp_path: Path) -> None:
    async def elsewhere(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("http://127.0.0.1:1/")

    assert (await ask(tmp_path, elsewhere)).status == 302


async def test_a_giant_body_is_given_up(tmp_path: Path) -> None:
    async def giant(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"x" * 65536)
        except ConnectionError:
            return answer

    answer = await ask(tmp_path, giant)
    assert answer.status == 0
    assert "larger than 1 MiB" in answer.problem


async def test_a_compressed_body_is_not_unpacked(tmp_path: Path) -> None:
    async def bomb(_: web.Request) -> web.StreamResponse:
        return web.Response(body=zlib.compress(b" " * 8_000_000), headers={"Content-Encoding": "deflate"})

    answer = await ask(tmp_path, bomb)
    assert (answer.status, answer.body) == (200, None)
    assert len(answer.text) < 100_000


async def test_endless_nesting_is_no_json(tmp_path: Path) -> None:
    async def deep(_: web.Request) -> web.StreamResponse:
        return web.Response(text="[" * 200_000)

    assert (await ask(tmp_path, deep)).body is None


async def test_a_silent_service_is_asked_a_few_times_and_then_no_more(tmp_path: Path) -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        raise AssertionError

    async with facing(tmp_path, silent, Patience(answer=0.05, silences=2)) as (probe, fake):
        answers = [await probe.ask("GET", "/x") for _ in range(20)]
        assert fake.requests == 2
    assert "no answer within 0.05 s" in answers[0].problem
    assert "not asked" in answers[-1].problem


async def test_nobody_behind_the_socket_is_told_in_the_answer(tmp_path: Path) -> None:
    async with probing(str(tmp_path / "none.sock"), Patience()) as probe:
        assert "ClientConnectorError" in (await probe.ask("GET", "/health")).problem
