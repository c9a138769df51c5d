"""Trust.md R11: floods of connections, bytes and words; the daemon goes on answering and stays small."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, suppress
from typing import Any

import aiohttp
import pytest
from starlette.requests import Request

from executor.web.api import Watchers
from executor.web.bodies import read_raw
from executor.web.doorway import Doorway
from executor.web.envelope import Refusal
from tests.patience import PATIENCE
from tests.proof.ledger import Ledger
from tests.proof.scale import scaled
from tests.web.conftest import Serving, Site
from tests.web.memory import resident
from tests.web.waiting import waiting_build

HALF_OPEN = scaled(300, 3000)
_ENDLESS = b"X-Filler: " + b"a" * 8000 + b"\r\n"


async def connected(site: Site, sent: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = site.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    await writer.drain()
    return reader, writer


async def said(reader: asyncio.StreamReader) -> bytes:
    """All until the other end closes."""
    with suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE):
            return await reader.read()
    return b""


async def all_gone(site: Site, but: int = 0) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(site.server.server_state.connections) > but:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "begun",
    [b"", b"\r\n", b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n"],
    ids=["", "blank", "head"],
)
async def test_r11_a_request_that_never_comes_is_not_waited_for(serve: Serving, begun: bytes) -> None:
    async with serve(door=Doorway(head_seconds=0.2)) as site:
        reader, writer = await connected(site, begun)
        answer = await said(reader)
        assert (b"408" in answer and b"REQUEST_TIMEOUT" in answer) == bool(begun)
        writer.close()


async def test_r11_half_open_connections_make_room_and_the_probe_is_answered(
    serve: Serving, ledger: Ledger
) -> None:
    async with serve(door=Doorway(most=50, head_seconds=PATIENCE)) as site, AsyncExitStack() as opened:
        before = resident()
        for number in range(HALF_OPEN):
            _, writer = await connected(site, b"GET /livez HTTP/1.1\r\nHost: loc")
            opened.callback(writer.close)
            if number % 25 == 0:
                status, _, _ = await site.get("/livez")
                assert status == 200
                assert len(site.server.server_state.connections) <= 51
        assert resident() - before < 20 << 20
        ledger.tried("half-open connections", HALF_OPEN)


async def test_r11_when_all_are_being_served_one_more_is_told_to_come_later(serve: Serving) -> None:
    async with serve(door=Doorway(most=20)) as site, AsyncExitStack() as opened:
        build_id, goes_on = await waiting_build(site)
        for _ in range(20):
            where = f"{site.url}/executor/builds/{build_id}/stream"
            await opened.enter_async_context(site.client.ws_connect(where))
        await all_gone(site, 20)
        reader, writer = await connected(site, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = await said(reader)
        assert answer.startswith(b"HTTP/1.1 503") and b"TOO_MANY_CONNECTIONS" in answer
        assert b"retry-after" in answer
        writer.close()
        goes_on.set()
        await site.world.until(build_id)


async def floods(writer: asyncio.StreamWriter, piece: bytes, most: int = 64 << 20) -> int:
    """Send a piece again and again until the other end has had enough; returns how much it took."""
    sent = 0
    with suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE):
            while sent < most and not writer.is_closing():
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
    return sent


_HEAD = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
_CHUNKED = b"POST /message HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
_ENDS = {
    "headers": (_HEAD, _ENDLESS),
    "a header": (_HEAD + b"X: ", b"a" * 9000),
    "an address": (b"GET /", b"a" * 9000),
    "trailers": (_CHUNKED + b"\r\n0\r\n", _ENDLESS),
    "names of chunks": (_CHUNKED + b"\r\n1;", b"a" * 9000),
    "tiny chunks": (_CHUNKED + b"Content-Type: application/json\r\n\r\n", b"1\r\n \r\n" * 1500),
    "blank lines": (b"", b"\r\n" * 4000),
}


@pytest.mark.parametrize("begun, piece", _ENDS.values(), ids=_ENDS)
async def test_r11_what_never_ends_is_ended_and_costs_no_memory(
    site: Site, begun: bytes, piece: bytes, ledger: Ledger
) -> None:
    before = resident()
    reader, writer = await connected(site, begun)
    hears = asyncio.create_task(said(reader))
    taken = await floods(writer, piece)
    assert taken < 32 << 20, "nobody ended it"
    await all_gone(site)
    assert resident() - before < 20 << 20
    answer = await hears
    assert not answer or answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 4"))
    writer.close()
    ledger.tried("requests without an end")


async def test_r11_headers_behind_an_open_stream_are_bounded_too(site: Site, ledger: Ledger) -> None:
    build_id, goes_on = await waiting_build(site)
    head = f"GET /executor/builds/{build_id}/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream"
    reader, writer = await connected(site, head.encode() + b"\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    assert await floods(writer, _ENDLESS) < 32 << 20, "nobody ended it"
    await all_gone(site)
    writer.close()
    goes_on.set()
    ledger.tried("requests without an end")


async def test_r11_a_body_that_trickles_is_refused_and_nothing_is_done_with_it() -> None:
    async def receive() -> Any:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b" ", "more_body": True}

    request = Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)
    with pytest.raises(Refusal) as refused:
        await read_raw(request, seconds=0.2)
    assert (refused.value.status, refused.value.code) == (408, "REQUEST_TIMEOUT")


async def test_r10_a_reader_that_takes_nothing_of_its_answers_is_let_go(
    serve: Serving, ledger: Ledger
) -> None:
    async with serve(door=Doorway(stall_seconds=0.3)) as site:
        host, _, port = site.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as deaf:
            deaf.setblocking(False)
            with suppress(BlockingIOError, ConnectionError):
                while True:
                    deaf.send(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
                    await asyncio.sleep(0.001)
            async with asyncio.timeout(PATIENCE):
                while site.server.server_state.connections:
                    await asyncio.sleep(0.02)
        ledger.tried("readers that take nothing")


async def test_r11_a_watcher_that_talks_is_closed_with_1008(site: Site, ledger: Ledger) -> None:
    build_id, goes_on = await waiting_build(site)
    where = f"{site.url}/executor/builds/{build_id}/stream"
    async with site.client.ws_connect(where) as talks, site.client.ws_connect(where) as listens:
        for _ in range(1000):
            with suppress(ConnectionError, aiohttp.ClientError):
                await talks.send_str("and another thing")
        async with asyncio.timeout(PATIENCE):
            async for _ in talks:
                pass
        assert talks.close_code == 1008
        goes_on.set()
        async with asyncio.timeout(PATIENCE):
            async for _ in listens:
                pass
        assert listens.close_code == 1000
    ledger.tried("floods of a WebSocket")


async def test_r11_pings_whose_answers_nobody_reads_end_the_connection(site: Site, ledger: Ledger) -> None:
    build_id, goes_on = await waiting_build(site)
    lines = [
        f"GET /executor/builds/{build_id}/stream HTTP/1.1", "Host: localhost", "Connection: Upgrade",
        "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
    ]  # fmt: skip
    reader, writer = await connected(site, "\r\n".join([*lines, "", ""]).encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 101")
    before = resident()
    ping = b"\x89\xfd" + b"\0\0\0\0" + b"p" * 125
    assert await floods(writer, ping * 64) < 64 << 20, "nobody ended it"
    await all_gone(site)
    assert resident() - before < 20 << 20
    writer.close()
    goes_on.set()
    ledger.tried("floods of a WebSocket")


async def test_r11_streams_beyond_the_limit_are_told_to_come_later(serve: Serving) -> None:
    async with serve(api={"watchers": Watchers(most=2)}) as site, AsyncExitStack() as opened:
        build_id, goes_on = await waiting_build(site)
        where = f"/executor/builds/{build_id}"
        for _ in range(2):
            await opened.enter_async_context(site.client.ws_connect(f"{site.url}{where}/stream"))
        async with asyncio.timeout(PATIENCE):
            while len(site.api.watchers) < 2:
                await asyncio.sleep(0.01)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await site.client.ws_connect(f"{site.url}{where}/stream")
        assert refused.value.status == 503
        for path in (f"{where}/events", "/live/home", f"/live/builds/{build_id}"):
            status, document, headers = await site.get(path, headers={"accept": "text/event-stream"})
            assert (status, document["error"]["code"]) == (503, "TOO_MANY_WATCHERS"), path
            assert headers["retry-after"]
        goes_on.set()
        await site.world.until(build_id)
