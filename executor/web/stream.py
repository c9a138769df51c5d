"""The WebSocket stream: hello with a snapshot, replay, follow, ticks, and a close code that says why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress

from starlette.types import Receive
from starlette.websockets import WebSocket

from executor.domain.build import Build
from executor.errors import Invalid
from executor.web.api import Api
from executor.web.bodies import invalid
from executor.web.crowd import Crowds
from executor.web.follow import End, Following, race
from executor.web.listener import WRITE_FRAME, framed
from executor.web.lookup import find_build
from executor.web.status import StatusDocuments

_CODES = {End.FINISHED: 1000, End.RESTART: 1012, End.SLOW: 4408}
_REASONS = {
    End.FINISHED: "the build is finished",
    End.RESTART: "the daemon restarts; come again with after=SEQ",
    End.SLOW: "too slow; come again with after=SEQ",
}
BACKLOG = 2048
STALL_SECONDS = 30.0
_MOST_HEARD = 100
_POLICY_VIOLATION = 1008


class Reader:
    """The other end of one socket. Raises TimeoutError when it takes nothing for `stall` seconds."""

    def __init__(self, websocket: WebSocket, stall: float) -> None:
        self._send = websocket.send
        self._stall = stall
        self._write: Callable[[bytes], bool] | None = websocket.scope.get("state", {}).get(WRITE_FRAME)

    @property
    def is_direct(self) -> bool:
        """True if messages can be written at once as long as the reader keeps up."""
        return self._write is not None

    def write(self, text: str) -> bool:
        """Write a message at once if the connection can take it so."""
        return self._write is not None and self._write(framed(text))

    async def tell(self, text: str) -> None:
        """Send a message, waiting while the reader is slow."""
        async with asyncio.timeout(self._stall):
            await self._send({"type": "websocket.send", "text": text})

    async def close(self, end: End) -> None:
        """Say goodbye with the code that tells why."""
        async with asyncio.timeout(self._stall):
            await self._send({"type": "websocket.close", "code": _CODES[end], "reason": _REASONS[end]})


class Stream:
    """The endpoint. Who takes no frame for `stall` seconds, or lets `backlog` frames wait, goes."""

    def __init__(
        self, api: Api, documents: StatusDocuments, backlog: int = BACKLOG, stall: float = STALL_SECONDS
    ) -> None:
        self._api = api
        self._documents = documents
        self._backlog = backlog
        self._stall = stall
        self._crowds = Crowds(api)

    async def watch(self, websocket: WebSocket) -> None:
        """Serve one watcher. Refused before it is accepted when the build or `after` is not right."""
        after = _after(websocket)
        self._api.watchers.admit()
        build = await find_build(self._api, websocket.path_params["build_id"])
        await websocket.accept()
        listening = _Listening(websocket.receive)
        await race(self._serve(Reader(websocket, self._stall), build, after), listening.until_gone())
        if listening.heard > _MOST_HEARD:
            with suppress(RuntimeError):  # it was closed at that very moment
                await websocket.close(_POLICY_VIOLATION, "watchers only listen")

    async def _serve(self, reader: Reader, build: Build, after: int) -> None:
        """Replay alone, follow in the crowd; whoever cannot keep up in it goes on alone for a while."""
        build = await find_build(self._api, build.id)
        sent, end = min(after, build.last_seq), None
        try:
            await reader.tell(self._hello(build))
            while end is None:
                sent, end = await self._alone(reader, build.id, sent)
                if end is End.CAUGHT_UP:
                    sent, end = await self._in_crowd(reader, build.id, sent)
        except TimeoutError:
            end = End.SLOW
        await reader.close(end or End.RESTART)

    async def _alone(self, reader: Reader, build_id: str, sent: int) -> tuple[int, End]:
        with self._api.bus.subscribe(build_id, self._backlog) as subscription:
            build = await find_build(self._api, build_id)
            following = Following(self._api, build, sent, subscription, only_replay=reader.is_direct)
            self._api.watchers.add(subscription)
            try:
                async for batch in following.batches():
                    for item in batch:
                        if not reader.write(item.text):
                            await reader.tell(item.text)
            finally:
                self._api.watchers.discard(subscription)
            return following.sent, following.end

    async def _in_crowd(self, reader: Reader, build_id: str, sent: int) -> tuple[int, End | None]:
        """Nothing may be awaited between the last look at what is missing and taking the seat."""
        seat = self._crowds.join(build_id, reader.write, sent)
        self._api.watchers.add(seat)
        try:
            end = await seat.left
        finally:
            seat.leave(None)
            self._api.watchers.discard(seat)
        return seat.sent, end

    def _hello(self, build: Build) -> str:
        hello = {
            "v": 1,
            "event_type": "hello",
            "build_id": build.id,
            "last_seq": build.last_seq,
            "snapshot": self._documents.document(build),
        }
        return json.dumps(hello, ensure_ascii=False, default=str)


class _Listening:
    """What watchers say is not listened to, and not for ever; that they leave is."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.heard = 0

    async def until_gone(self) -> None:
        """Return when the other end has left, or has talked too much."""
        while self.heard <= _MOST_HEARD and (await self._receive())["type"] != "websocket.disconnect":
            self.heard += 1


def _after(websocket: WebSocket) -> int:
    text = websocket.query_params.get("after", "") or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        refusal: Invalid = invalid(["query", "after"], "the seq of an event is expected")
        raise refusal
    return int(text)
