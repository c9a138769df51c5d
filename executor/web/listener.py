"""The daemon's side of a TCP connection: who is at the other end, and how long and how much it may send.

A connection stays with the process that made it, so one look at the kernel's table serves all its requests.
"""

from __future__ import annotations

import asyncio
import socket
from functools import lru_cache
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from executor.web.doorway import Doorway, refusal
from executor.web.peers import is_walled_peer

WALLED = "walled_peer"
WRITE_FRAME = "write_frame"
_TEXT_MESSAGE = 0x81
_MOST_UNREAD = 4 << 20


class CheckedConnection(HttpToolsProtocol):
    """uvicorn's HTTP protocol. Give it to uvicorn as `http=`, with a doorway.

    It tells the app in `scope["state"]` whether its peer lives behind our walls; a connection that becomes a
    WebSocket takes the knowledge along. The head of a request has to come in the doorway's time, what is sent
    around the bodies is bounded by its size, and a reader has to take something from time to time.
    """

    def __init__(self, *args: Any, doorway: Doorway, **more: Any) -> None:
        super().__init__(*args, **more)
        self._doorway = doorway
        self._framing = 0
        self._patience: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Look the peer up, and see that no reply waits for the peer's delayed acknowledgement."""
        super().connection_made(transport)
        if self.client is not None:
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        walled = False
        if self.client is not None and self.server is not None and self.server[1] is not None:
            walled = is_walled_peer(self.client, (self.server[0], self.server[1]))
        self.app_state = {**self.app_state, WALLED: walled}
        self._expect_head()
        if len(self.connections) > self._doorway.most and not self._doorway.make_room(self):
            self._refuse(503, "TOO_MANY_CONNECTIONS", "Every connection that the daemon takes is in use.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is expected of it any more."""
        super().connection_lost(exc)
        self._expect_nothing()
        self._end_watch()

    def pause_writing(self) -> None:
        """The reader takes less than is written: from now on it has to take something from time to time."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._end_watch()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Count what is not body: heads, trailers and the framing of chunks."""
        self._framing += len(data)
        super().data_received(data)
        if self._framing > self._doorway.framing_bytes and self.parser is not None:
            self._refuse(431, "HEAD_TOO_LARGE", "The request's headers are larger than 64 KiB.")

    def on_body(self, body: bytes) -> None:
        """Bodies have their own cap, where they are read."""
        self._framing -= len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """The request goes to the app, which has its own time for the body."""
        self._expect_nothing()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next request is counted anew."""
        self._framing = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless one is there."""
        is_next_there = bool(self.pipeline)
        super().on_response_complete()
        if not is_next_there and not self.transport.is_closing():
            self._expect_head()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(400, "INVALID_INPUT", msg, "See /docs for every route.")

    def go(self) -> None:
        """End at once, to make room."""
        self.transport.close()

    def _expect_head(self) -> None:
        self._doorway.expect(self)
        self._patience = self.loop.call_later(self._doorway.head_seconds, self._give_up)

    def _expect_nothing(self) -> None:
        self._doorway.came(self)
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _watch_reader(self, unread: int | None = None) -> None:
        left = self.transport.get_write_buffer_size()
        if unread is not None and left >= unread:
            self.transport.abort()
            return
        self._stalled = self.loop.call_later(self._doorway.stall_seconds, self._watch_reader, left)

    def _end_watch(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _give_up(self) -> None:
        if self._framing:
            self._refuse(408, "REQUEST_TIMEOUT", "The request's headers took too long to come.")
        else:
            self.go()

    def _refuse(self, status: int, code: str, message: str, hint: str = "") -> None:
        """Not in the middle of an answer: there the connection just ends."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(refusal(status, code, message, hint))
        self.transport.close()


class FrameConnection(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, which also takes messages that are framed already.

    What a server sends is not masked, so one framed message serves all watchers. Give it to uvicorn as `ws=`;
    without it streams work the same and frame each message for each watcher.
    """

    def handle_connect(self, event: Request) -> None:
        """Hand the app a way to write frames, in `scope["state"]`; its task starts after this returns."""
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["state"][WRITE_FRAME] = self.write_frame

    def data_received(self, data: bytes) -> None:
        """End a peer that is answered (its pings are) and takes none of the answers."""
        super().data_received(data)
        if self.transport.get_write_buffer_size() > _MOST_UNREAD:
            self.transport.abort()

    def write_frame(self, frame: bytes) -> bool:
        """Write a framed message at once; False when the connection is not open or its reader is slow."""
        if not self.handshake_complete or self.close_sent or self.transport.is_closing():
            return False
        if not self.writable.is_set():
            return False
        self.transport.write(frame)
        return True


@lru_cache(maxsize=64)
def framed(text: str) -> bytes:
    """A text message as it goes over the wire (RFC 6455, 5.2); kept, for every watcher asks for the same."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes((_TEXT_MESSAGE, size)) + payload
    if size < 1 << 16:
        return bytes((_TEXT_MESSAGE, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_TEXT_MESSAGE, 127)) + size.to_bytes(8, "big") + payload
