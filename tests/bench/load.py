"""A keep-alive HTTP client on raw transports: a heavier one would measure itself."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from itertools import count
from typing import cast

from tests.bench.harness import quantile

_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What a run of requests took; latencies in seconds."""

    per_second: float
    latencies: tuple[float, ...]

    @property
    def p50(self) -> float:
        """The median latency."""
        return quantile(self.latencies, 0.5)

    @property
    def p99(self) -> float:
        """The latency that one in a hundred exceeds."""
        return quantile(self.latencies, 0.99)


class Requests:
    """Requests to one path; every POST body is told apart by a number of its own."""

    def __init__(self, port: int, path: str, body: str = "") -> None:
        self.port = port
        self._path = path
        self._body = body
        self._numbers = count(1)

    def next(self) -> bytes:
        """The next request as it goes over the wire."""
        head = f"{'POST' if self._body else 'GET'} {self._path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n"
        if not self._body:
            return f"{head}\r\n".encode()
        body = self._body.replace("NUMBER", str(next(self._numbers)))
        return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


class _Caller(asyncio.Protocol):
    """One connection: the next request goes out when the reply to the last one is whole."""

    def __init__(self, requests: Requests, budget: list[int], latencies: list[float]) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._budget = budget
        self._latencies = latencies
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Collect a reply."""
        self._seen += data
        head, found, body = self._seen.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self._latencies.append(time.perf_counter() - self._asked)
        if not head.startswith(b"HTTP/1.1 2"):
            self.done.set_exception(ConnectionError(self._seen.decode(errors="replace")[:500]))
            self._transport.close()
            return
        self._seen = b""
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has gone."""
        if not self.done.done():
            self.done.set_exception(ConnectionError("the connection was closed"))

    def _ask(self) -> None:
        if not self._budget[0]:
            self.done.set_result(None)
            self._transport.close()
            return
        self._budget[0] -= 1
        self._asked = time.perf_counter()
        self._transport.write(self._requests.next())


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise ConnectionError(f"no content-length: {head!r}")


async def load(requests: Requests, number: int, connections: int = 1) -> Load:
    """Send so many requests over so many connections. Raises ConnectionError on a reply that is not 2xx."""
    loop = asyncio.get_running_loop()
    budget, latencies = [number], list[float]()
    started = time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Caller(requests, budget, latencies), "127.0.0.1", requests.port)
        for _ in range(connections)
    ]
    async with asyncio.timeout(_PATIENCE):
        await asyncio.gather(*(caller.done for _, caller in made))
    return Load(number / (time.perf_counter() - started), tuple(latencies))
