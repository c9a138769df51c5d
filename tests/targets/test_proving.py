"""Probing /health of things that answer in every wrong way."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from executor.targets.proving import probe_until

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves /health by a handler and returns the address."""
    runners: list[web.AppRunner] = []

    async def begin(handler: Handler) -> str:
        app = web.Application()
        app.router.add_get("/health", handler)
        runners.append(web.AppRunner(app, shutdown_timeout=0.1))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runners[-1].addresses[0][1]}"

    yield begin
    for runner in runners:
        await runner.cleanup()


async def _up() -> bool:
    return True


async def _gone() -> bool:
    return False


def _fixed(status: int, body: bytes, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=headers)

    return answer


async def _hang(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(300)
    return web.Response()


_RIGHT = json.dumps({"release": "r1", "status": "healthy"}).encode()
_WRONG = {
    "answers 500": (_fixed(500, _RIGHT), "answered 500"),
    "answers 404": (_fixed(404, _RIGHT), "answered 404"),
    "redirects to one that is well": (_fixed(302, _RIGHT, Location="/health"), "answered 302"),
    "answers text": (_fixed(200, b"fine"), "not JSON"),
    "answers nothing": (_fixed(200, b""), "not JSON"),
    "answers bytes": (_fixed(200, b"\xff\xfe\x00"), "not JSON"),
    "answers a list": (_fixed(200, b'["r1"]'), "reported release None"),
    "is another release": (_fixed(200, b'{"release": "r0"}'), "reported release 'r0'"),
    "reports a number": (_fixed(200, b'{"release": 1}'), "reported release 1"),
    "sends more than any report": (_fixed(200, b" " * 200_000 + _RIGHT), "could not be asked"),
    "hangs": (_hang, "did not answer in time"),
}


@pytest.mark.parametrize("shape", _WRONG)
async def test_r4_nothing_is_proven_by_one_that(shape, serve, ledger):
    handler, words = _WRONG[shape]
    proof = await probe_until(await serve(handler), "r1", probes=2, deadline=0.5, alive=_up)
    assert not proof.proven and words in proof.problem and not proof.ended
    ledger.tried("wrong answers to a health check")


async def test_as_many_right_answers_in_a_row_as_asked_for_prove_it(serve):
    asked = 0

    async def count(_: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return web.Response(body=_RIGHT)

    proof = await probe_until(await serve(count), "r1", probes=5, deadline=20, alive=_up)
    assert proof.proven and asked == 5


async def test_a_wrong_answer_in_between_starts_the_row_anew(serve):
    asked = 0

    async def flaky(_: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return web.Response(body=_RIGHT, status=200 if asked % 2 else 500)

    proof = await probe_until(await serve(flaky), "r1", probes=2, deadline=0.6, alive=_up)
    assert not proof.proven


async def test_one_that_is_not_ready_at_first_is_waited_for(serve):
    asked = 0

    async def warming(_: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return web.Response(body=_RIGHT, status=503 if asked < 3 else 200)

    proof = await probe_until(await serve(warming), "r1", probes=2, deadline=20, alive=_up)
    assert proof.proven


async def test_one_that_has_ended_is_not_waited_for(unused_tcp_port):
    url = f"http://127.0.0.1:{unused_tcp_port}"
    proof = await probe_until(url, "r1", probes=2, deadline=300, alive=_gone)
    assert proof.ended and not proof.proven


async def test_one_that_never_listens_is_given_up_at_the_deadline(unused_tcp_port):
    url = f"http://127.0.0.1:{unused_tcp_port}"
    proof = await probe_until(url, "r1", probes=2, deadline=0.3, alive=_up)
    assert "ClientConnectorError" in proof.problem
