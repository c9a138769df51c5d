"""A TCP proxy on the loopback whose wire can be cut, silenced and healed: at a moment or at an exact byte."""

from __future__ import annotations

import asyncio
from contextlib import suppress

_CHUNK = 1 << 14


class CutProxy:
    """Forwards 127.0.0.1:`port` to `host:to`, as an async context manager.

    `sent` and `answered` count the bytes that went through, to the server and back. `cut_after`, when set, is
    the value of `sent` at which the wire is cut: byte for byte, and nothing after it arrives.
    """

    def __init__(self, to: int, host: str = "127.0.0.1") -> None:
        self._host, self._to = host, to
        self.port = 0
        self.sent = 0
        self.answered = 0
        self.opened = 0
        self.cut_after: int | None = None
        self._whole = True
        self._towards, self._back = asyncio.Event(), asyncio.Event()
        self._ways: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}

    async def __aenter__(self) -> CutProxy:
        self.heal()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        ways = list(self._ways)
        self._drop()
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    def cut(self) -> None:
        """End every connection at both ends, and refuse new ones until `heal`."""
        self._whole = False
        self.cut_after = None
        self._drop()

    def stall(self) -> None:
        """Nothing travels any more, and nobody is told; new connections are accepted and hear nothing."""
        self._towards.clear()
        self._back.clear()

    def mute(self) -> None:
        """What the server answers does not arrive; what is sent to it does."""
        self._back.clear()

    def heal(self) -> None:
        """Forward again: what was held back on a connection that still lives, and new connections."""
        self._whole = True
        self._towards.set()
        self._back.set()

    def _drop(self) -> None:
        for writers in self._ways.values():
            for writer in writers:
                writer.close()
                writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        assert me is not None
        self._ways[me] = (writer,)
        try:
            if self._whole:
                self.opened += 1
                await self._join(me, reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # a cut wire is what this is for
        finally:
            del self._ways[me]
            writer.transport.abort()

    async def _join(
        self, me: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        up_reader, up_writer = await asyncio.open_connection(self._host, self._to)
        self._ways[me] = (writer, up_writer)
        towards = asyncio.create_task(self._send(reader, up_writer))
        back = asyncio.create_task(self._answer(up_reader, writer))
        try:
            await asyncio.wait({towards, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (towards, back):
                task.cancel()
            await asyncio.gather(towards, back, return_exceptions=True)
            up_writer.close()  # what was let through before a cut at a byte still arrives
            with suppress(OSError, asyncio.CancelledError):
                await up_writer.wait_closed()

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await self._towards.wait()
            if self.cut_after is not None and self.sent + len(data) >= self.cut_after:
                data = data[: max(self.cut_after - self.sent, 0)]
                self.sent += len(data)
                writer.write(data)
                await writer.drain()
                self._whole, self.cut_after = False, None
                return
            self.sent += len(data)
            writer.write(data)
            await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await self._back.wait()
            self.answered += len(data)
            writer.write(data)
            await writer.drain()
