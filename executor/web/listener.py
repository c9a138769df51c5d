"""The daemon's side of a TCP connection: who is at the other end is looked up once, when it is made.

A connection stays with the process that made it, so one look at the kernel's table serves all its requests.
"""

from __future__ import annotations

import asyncio
import socket

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from executor.web.peers import is_walled_peer

WALLED = "walled_peer"


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
