"""The daemon's side of a TCP connection: who is at the other end is looked up once, when it is made.

A connection stays with the process that made it, so one look at the kernel's table serves all its requests.
"""

from __future__ import annotations

import asyncio
import socket
from functools import lru_cache

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from executor.web.peers import is_walled_peer

WALLED = "walled_peer"
WRITE_FRAME = "write_frame"
_TEXT_MESSAGE = 0x81


class CheckedConnection(HttpToolsProtocol):
    """uvicorn's protocol, which tells the app in `scope["state"]` whether its peer lives behind our walls.

    Give it to uvicorn as `http=`; a connection that becomes a WebSocket takes the knowledge along.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Look the peer up, and see that no reply waits for the peer's delayed acknowledgement."""
        super().connection_made(transport)
        if self.client is not None:
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        walled = False
        if self.client is not None and self.server is not None and self.server[1] is not None:
            walled = is_walled_peer(self.client, (self.server[0], self.server[1]))
        self.app_state = {**self.app_state, WALLED: walled}


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
