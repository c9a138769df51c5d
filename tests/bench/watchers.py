"""Event commit to WebSocket frame with 100 and 1000 watchers, against a fan-out over raw transports."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from statistics import median
from typing import cast

from tests.acceptance.daemon import free_port
from tests.bench.harness import Child, child, many_files, place, run
from tests.bench.results import Figure, at_most

_SIZES = (100, 1000)
_PATIENCE = 60.0


def measure(quick: bool) -> list[Figure]:
    """The two servers take turns, event by event."""
    many_files()
    return [_figure(size, events=10 if quick else 30) for size in _SIZES]


def _figure(size: int, events: int) -> Figure:
    with ExitStack() as stack:
        servers = []
        for side in ("ours", "raw"):
            port = free_port()
            server = stack.enter_context(
                child("tests.bench.watched", stack.enter_context(place()), port, side)
            )
            servers.append((server, port, str(server.answer()["path"])))
        ours, raw = run(_both(servers, size, events))
    against = f"raw transports: {raw * 1e3:.1f} ms"
    return at_most(f"commit to frame p50, {size} watchers", ours * 1e3, "ms", against, ours / raw, 1.7)


async def _both(servers: list[tuple[Child, int, str]], size: int, events: int) -> list[float]:
    seen: list[list[float]] = [[], []]
    async with asyncio.timeout(_PATIENCE):
        crowds = [await _crowd(size, port, path) for _, port, path in servers]
        for turn in range(events + 2):
            for values, crowd, (server, _, _) in zip(seen, crowds, servers, strict=True):
                median_seconds = await crowd.one_event(server)
                if turn >= 2:
                    values.append(median_seconds)
    return [median(values) for values in seen]


class _Crowd:
    """Everyone who watches one server."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []
        self._expected = 0
        self._whole = asyncio.Event()

    def expect(self, number: int) -> None:
        """Begin to count anew."""
        self.arrivals.clear()
        self._expected = number
        self._whole.clear()

    def arrived(self) -> None:
        """One watcher has read something."""
        self.arrivals.append(time.monotonic())
        if len(self.arrivals) == self._expected:
            self._whole.set()

    async def whole(self) -> None:
        """Wait until everyone has."""
        await self._whole.wait()

    async def one_event(self, server: Child) -> float:
        """Cause one event; the median time from its commit until a watcher had it, in seconds."""
        self.expect(self._expected)
        server.tell("now")
        await self.whole()
        at = float(server.answer()["at"])
        return median(self.arrivals) - at


async def _crowd(size: int, port: int, path: str) -> _Crowd:
    crowd = _Crowd()
    loop = asyncio.get_running_loop()
    crowd.expect(size)
    for _ in range(size):
        await loop.create_connection(lambda: _Watcher(crowd, port, path), "127.0.0.1", port)
    await crowd.whole()
    await asyncio.sleep(0.5)
    return crowd


class _Watcher(asyncio.Protocol):
    """One socket; what it reads is not decoded, for both sides alike."""

    def __init__(self, crowd: _Crowd, port: int, path: str) -> None:
        self._crowd = crowd
        self._hello = (
            f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask to watch."""
        cast("asyncio.Transport", transport).write(self._hello)

    def data_received(self, data: bytes) -> None:
        """An event, or the answer to the handshake."""
        self._crowd.arrived()
