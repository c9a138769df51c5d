"""The WebSocket: hello, replay, follow, ticks, close codes; nothing lost, nothing early, nothing twice."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from typing import Any

import aiohttp
import pytest
from starlette.websockets import WebSocket
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from executor.domain.build import FINISHED, State
from executor.domain.outcome import Done, Outcome
from executor.domain.step import StepContext
from executor.web.documents import EventDocument, StatusDocument
from executor.web.listener import framed
from executor.web.status import StatusDocuments
from executor.web.stream import Stream
from tests.proof.ledger import Ledger
from tests.proof.scale import scaled
from tests.web.conftest import Serving, Site
from tests.web.memory import resident

GOOD_READERS, EVENTS = scaled(10, 50), scaled(1_000, 100_000)
WATCHERS = scaled(12, 150)  # each comes and goes about seven times


class Chatty:
    """A step that records events whenever it is let to, and ends on demand."""

    def __init__(self) -> None:
        self.wanted: asyncio.Queue[int] = asyncio.Queue()

    async def __call__(self, context: StepContext) -> Outcome:
        while count := await self.wanted.get():
            for _ in range(count):
                await context.record("noted", "x" * 100)
        return Done("Enough was said.")


def stream_of(site: Site, build_id: str, after: int = 0) -> str:
    return f"{site.url}/executor/builds/{build_id}/stream?after={after}"


async def frames_until_close(socket: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    return [json.loads(message.data) async for message in socket if message.type is aiohttp.WSMsgType.TEXT]


def seqs(frames: list[dict[str, Any]]) -> list[int]:
    return [frame["seq"] for frame in frames if "seq" in frame]


async def test_a_finished_build_is_told_from_hello_to_the_last_event_and_closed_with_1000(site: Site) -> None:
    build = await site.finished()
    async with site.client.ws_connect(stream_of(site, build.id)) as watched:
        hello, *events = await frames_until_close(watched)
    assert watched.close_code == 1000
    assert (hello["event_type"], hello["build_id"], hello["last_seq"]) == ("hello", build.id, build.last_seq)
    assert StatusDocument.model_validate(hello["snapshot"]).status == "complete"
    assert [EventDocument.model_validate(event).seq for event in events] == list(range(1, build.last_seq + 1))


async def test_after_skips_what_was_seen_and_a_seq_from_the_future_is_the_newest(site: Site) -> None:
    build = await site.finished()
    for after, expected in ((build.last_seq - 2, 2), (build.last_seq, 0), (10**6, 0)):
        async with site.client.ws_connect(stream_of(site, build.id, after)) as watched:
            frames = await frames_until_close(watched)
        assert len(seqs(frames)) == expected


async def test_a_running_build_is_followed_to_its_end(site: Site) -> None:
    chatty = site.world.steps[3].script = Chatty()
    build_id = await site.started()
    async with site.client.ws_connect(stream_of(site, build_id)) as watched:
        for count in (3, 500, 0):
            chatty.wanted.put_nowait(count)
        frames = await frames_until_close(watched)
    build = await site.world.until(build_id)
    assert seqs(frames) == list(range(1, build.last_seq + 1))
    assert watched.close_code == 1000


async def test_r10_watchers_that_come_and_go_miss_nothing_and_hear_nothing_twice(
    site: Site,
    ledger: Ledger,
) -> None:
    chatty = site.world.steps[3].script = Chatty()
    build_id = await site.started()
    dice = random.Random(7)

    async def watcher(patience: list[int]) -> list[int]:
        heard: list[int] = []
        for limit in (*patience, 10**6):
            left = limit
            async with site.client.ws_connect(
                stream_of(site, build_id, heard[-1] if heard else 0)
            ) as watched:
                async for message in watched:
                    frame = json.loads(message.data)
                    heard += [frame["seq"]] if "seq" in frame else []
                    left -= 1
                    if left <= 0:
                        break
                if watched.close_code == 1000:
                    return heard
                ledger.tried("disconnects at random")
        return heard

    watchers = [
        asyncio.create_task(watcher([dice.randint(1, 30) for _ in range(dice.randint(0, 12))]))
        for _ in range(WATCHERS)
    ]
    for _ in range(20):
        chatty.wanted.put_nowait(dice.randint(1, 20))
        await asyncio.sleep(0)
    chatty.wanted.put_nowait(0)
    build = await site.world.until(build_id)
    for heard in await asyncio.gather(*watchers):
        assert heard == list(range(1, build.last_seq + 1))


async def test_a_working_build_ticks_and_a_tick_has_no_seq(serve: Serving) -> None:
    async with serve(builds={"progress_interval": 0.05}) as site:
        chatty = Chatty()

        async def working(context: StepContext) -> Outcome:
            context.progress("Counting the beans", 0.5, files_created=7)
            return await chatty(context)

        site.world.steps[3].script = working
        build_id = await site.started()
        async with site.client.ws_connect(stream_of(site, build_id)) as watched:
            ticks: list[dict[str, Any]] = []
            while len(ticks) < 3:
                frame = json.loads((await watched.receive()).data)
                ticks += [frame] if frame["event_type"] == "progress" else []
            chatty.wanted.put_nowait(0)
            rest = await frames_until_close(watched)
        assert all("seq" not in tick for tick in ticks)
        assert ticks[-1]["data"]["details"]["files_created"] == 7
        assert ticks[-1]["message"] == "Counting the beans"
        assert rest[-1]["event_type"] != "progress"
        assert "progress" not in await site.world.event_types(build_id)


async def test_a_build_that_waits_for_a_person_does_not_tick(serve: Serving) -> None:
    async with serve(builds={"progress_interval": 0.02}) as site:
        build_id = await site.started(approval_mode="final")
        await site.world.until(build_id, State.WAITING_APPROVAL)
        last = (await site.world.store.builds.get(build_id)).last_seq
        async with site.client.ws_connect(stream_of(site, build_id, last)) as watched:
            assert json.loads((await watched.receive()).data)["event_type"] == "hello"
            await asyncio.sleep(0.1)
            await site.post(f"/executor/builds/{build_id}/approve")
            frame = json.loads((await watched.receive()).data)
            assert frame["event_type"] == "approved"


async def test_a_restart_closes_with_1012(site: Site) -> None:
    site.world.steps[3].script = Chatty()
    build_id = await site.started()
    async with site.client.ws_connect(stream_of(site, build_id)) as watched:
        await watched.receive()
        site.world.live.draining = True
        site.api.watchers.nudge()
        await frames_until_close(watched)
    assert watched.close_code == 1012


async def test_an_unknown_build_or_a_wrong_after_is_refused_with_the_envelope(site: Site) -> None:
    build = await site.finished()
    for path, status in (
        (f"/executor/builds/{build.id}/stream?after=-1", 400),
        ("/executor/builds/build-9-none-20260101-001/stream", 404),
        ("/executor/nothing", 404),
    ):
        headers = {
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }  # fmt: skip
        answer, reply, _ = await site.get(path, headers=headers)
        assert answer == status
        assert reply["error"]["request_id"]


async def test_a_plain_get_on_the_stream_is_told_to_upgrade(site: Site) -> None:
    build = await site.finished()
    status, reply, headers = await site.get(f"/executor/builds/{build.id}/stream")
    assert (status, reply["error"]["code"], headers["upgrade"]) == (426, "UPGRADE_REQUIRED", "websocket")


async def test_watchers_leave_nothing_behind(site: Site) -> None:
    site.world.steps[3].script = Chatty()
    build_id = await site.started()
    sockets = [await site.client.ws_connect(stream_of(site, build_id)) for _ in range(20)]
    for watched in sockets:
        await watched.receive()
    assert len(site.api.watchers) == 20
    for watched in sockets:
        await watched.close()
    async with asyncio.timeout(10):
        while len(site.api.watchers) or site.world.bus._by_build:
            await asyncio.sleep(0.01)


class SlowReader:
    """The server's side of a socket whose reader takes some frames, then none until it is let to."""

    def __init__(self, takes: int) -> None:
        self.takes = takes
        self.sent: list[dict[str, Any]] = []
        self.reading = asyncio.Event()
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if not self.sent:
            return {"type": "websocket.connect"}
        await self.gone.wait()
        return {"type": "websocket.disconnect", "code": 1006}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        if message["type"] == "websocket.send" and len(self.sent) > self.takes:
            await self.reading.wait()

    def socket(self, build_id: str) -> WebSocket:
        scope = {
            "type": "websocket", "path": "/", "query_string": b"", "headers": [],
            "path_params": {"build_id": build_id},
        }  # fmt: skip
        return WebSocket(scope, self.receive, self.send)  # type: ignore[arg-type]


async def count_until_close(watched: aiohttp.ClientWebSocketResponse) -> int:
    """How many events came, each the next one."""
    seen = 0
    async for message in watched:
        frame = json.loads(message.data)
        if "seq" in frame:
            assert frame["seq"] == seen + 1
            seen = frame["seq"]
    return seen


async def until_commits(site: Site, build_id: str, count: int) -> None:
    async with asyncio.timeout(20):
        while (await site.world.store.builds.get(build_id)).last_seq < count:
            await asyncio.sleep(0.01)


async def test_r10_a_reader_that_falls_behind_is_closed_and_misses_nothing_later(
    site: Site,
) -> None:
    chatty = site.world.steps[3].script = Chatty()
    build_id = await site.started()
    await until_commits(site, build_id, 5)
    reader = SlowReader(takes=6)
    stream = Stream(site.api, StatusDocuments(site.api.live, site.url), backlog=5, stall=60)
    watching = asyncio.create_task(stream.watch(reader.socket(build_id)))
    async with asyncio.timeout(10):
        while not site.world.bus._by_build:
            await asyncio.sleep(0.01)
    chatty.wanted.put_nowait(50)
    await until_commits(site, build_id, 50)
    reader.reading.set()
    await asyncio.wait_for(watching, 10)
    assert (reader.sent[-1]["type"], reader.sent[-1]["code"]) == ("websocket.close", 4408)
    heard = seqs([json.loads(m["text"]) for m in reader.sent if m["type"] == "websocket.send"])
    assert heard == list(range(1, len(heard) + 1))


async def test_r10_a_reader_that_takes_nothing_at_all_is_let_go(site: Site) -> None:
    site.world.steps[3].script = Chatty()
    build_id = await site.started()
    reader = SlowReader(takes=1)
    stream = Stream(site.api, StatusDocuments(site.api.live, site.url), backlog=5, stall=0.05)
    await asyncio.wait_for(stream.watch(reader.socket(build_id)), 10)
    assert reader.sent[-1]["code"] == 4408
    assert not len(site.api.watchers)


async def test_r10_a_stalled_reader_delays_nobody_and_costs_little_memory(site: Site, ledger: Ledger) -> None:
    chatty = site.world.steps[3].script = Chatty()
    build_id = await site.started()
    host, port = site.url.removeprefix("http://").split(":")
    stalled = socket.create_connection((host, int(port)))
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    request = (
        f"GET /executor/builds/{build_id}/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await asyncio.get_running_loop().run_in_executor(None, stalled.sendall, request.encode())
    try:
        good = [await site.client.ws_connect(stream_of(site, build_id)) for _ in range(GOOD_READERS)]
        before = resident()
        chatty.wanted.put_nowait(EVENTS)
        chatty.wanted.put_nowait(0)
        everything = await asyncio.gather(*(count_until_close(watched) for watched in good))
        grown = resident() - before
        async with asyncio.timeout(600):
            while (build := await site.world.store.builds.get(build_id)).state not in FINISHED:
                await asyncio.sleep(0.1)
        assert everything == [build.last_seq] * GOOD_READERS
        ledger.tried("events to each reader beside a stalled one", EVENTS)
        ledger.tried("readers", GOOD_READERS)
        assert grown < 60 << 20, f"{grown / (1 << 20):.1f} MiB for {EVENTS} events"
    finally:
        stalled.close()


@pytest.mark.parametrize("frame", ["not json", "{}" * 1000])
async def test_what_a_watcher_says_is_not_listened_to(site: Site, frame: str) -> None:
    chatty = site.world.steps[3].script = Chatty()
    build_id = await site.started()
    async with site.client.ws_connect(stream_of(site, build_id)) as watched:
        await watched.send_str(frame)
        chatty.wanted.put_nowait(0)
        assert await frames_until_close(watched)
    assert watched.close_code == 1000


def test_frames_are_the_same_whether_they_are_framed_once_or_for_each_watcher() -> None:
    """Around the lengths at which the frame's own head changes its form."""
    for size in (0, 1, 124, 125, 126, 127, 65535, 65536, 70000):
        text = "é" * (size // 2) + "x" * (size % 2)
        protocol = ServerProtocol()
        protocol.state = OPEN
        protocol.send_text(text.encode())
        assert framed(text) == b"".join(protocol.data_to_send())


async def test_a_watcher_without_direct_writing_hears_the_same(site: Site) -> None:
    chatty = site.world.steps[3].script = Chatty()
    build_id = await site.started()
    reader = SlowReader(takes=10**6)
    stream = Stream(site.api, StatusDocuments(site.api.live, site.url))
    watching = asyncio.create_task(stream.watch(reader.socket(build_id)))
    for count in (40, 0):
        chatty.wanted.put_nowait(count)
    await asyncio.wait_for(watching, 20)
    build = await site.world.until(build_id)
    heard = seqs([json.loads(m["text"]) for m in reader.sent if m["type"] == "websocket.send"])
    assert heard == list(range(1, build.last_seq + 1))
    assert reader.sent[-1]["code"] == 1000


async def test_a_watcher_that_leaves_and_rejoins_the_crowd_misses_nothing(site: Site) -> None:
    chatty = site.world.steps[3].script = Chatty()
    build_id = await site.started()
    dice = random.Random(3)
    heard: list[str] = []

    def moody(frame: bytes) -> bool:
        if dice.random() < 0.3:
            return False
        heard.append(frame[frame.index(b"{") :].decode())
        return True

    class Moody(SlowReader):
        async def send(self, message: dict[str, Any]) -> None:
            self.sent.append(message)
            if message["type"] == "websocket.send":
                heard.append(message["text"])

    reader = Moody(takes=10**6)
    socket = reader.socket(build_id)
    socket.scope["state"] = {"write_frame": moody}
    watching = asyncio.create_task(Stream(site.api, StatusDocuments(site.api.live, site.url)).watch(socket))
    for _ in range(40):
        chatty.wanted.put_nowait(dice.randint(1, 5))
        await asyncio.sleep(0.005)
    chatty.wanted.put_nowait(0)
    await asyncio.wait_for(watching, 20)
    build = await site.world.until(build_id)
    assert seqs([json.loads(text) for text in heard]) == list(range(1, build.last_seq + 1))
    assert reader.sent[-1]["code"] == 1000
