"""What runs in a fake docker engine: containers that really listen, each on a loopback address of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

RELEASE_PORT = 8000
_TRACEBACK = "Traceback (most recent call last):\nRuntimeError: this release is broken"


@dataclass
class FakeContainer:
    """A container as the engine keeps it; `loaded` is the configuration that an edge has read last."""

    id: str
    name: str
    image_id: str
    labels: dict[str, str]
    env: dict[str, str]
    network: str
    restart: str
    entrypoint: str
    publish: list[str]
    mounts: dict[str, str]
    address: str = ""
    status: str = "created"
    exit_code: int = 0
    oom_killed: bool = False
    restarts: int = 0
    started: int = 0
    log: list[str] = field(default_factory=list)
    loaded: str = ""

    @property
    def running(self) -> bool:
        return self.status == "running"

    @property
    def is_edge(self) -> bool:
        return self.entrypoint == "haproxy"

    def served(self) -> list[str]:
        """The containers that an edge sends requests to, the first choice first."""
        lines = (line.split() for line in self.loaded.splitlines())
        return [words[2].partition(":")[0] for words in lines if words[:1] == ["server"]]

    def inspected(self) -> dict[str, Any]:
        address = self.address if self.running else ""
        return {
            "Id": self.id,
            "Name": f"/{self.name}",
            "Image": self.image_id,
            "RestartCount": self.restarts,
            "State": {
                "Status": self.status,
                "Running": self.running,
                "Restarting": self.status == "restarting",
                "OOMKilled": self.oom_killed,
                "ExitCode": self.exit_code,
                "StartedAt": f"2026-01-01T00:00:{self.started:02}Z",
            },
            "HostConfig": {"RestartPolicy": {"Name": self.restart}},
            "Config": {"Labels": self.labels},
            "NetworkSettings": {"Networks": {self.network: {"IPAddress": address}}},
        }


class Life:
    """The running half of a container: its server, and what its behaviour does to it.

    `behaviour`: `healthy`, `silent` (takes requests, never answers), `500`, `wrong release`, `exits`,
    `slow start` (0.3 s), `hangs` (from its second answer on), `out of memory` (at its first request).
    """

    def __init__(
        self,
        container: FakeContainer,
        behaviour: str,
        ended: Callable[[FakeContainer], None],
        find: Callable[[str], FakeContainer | None],
    ) -> None:
        self._container = container
        self._behaviour = behaviour
        self._ended = ended
        self._find = find
        self._answers = 0
        self._servers: list[asyncio.Server] = []
        self._work: set[asyncio.Task[None]] = set()
        self._late: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Listen. Raises OSError when the published port is taken."""
        container = self._container
        if container.is_edge:
            _, port, _ = f"0.0.0.0:{container.publish[0]}".rsplit(":", 2)
            await self._listen("127.0.0.1", int(port), self._forward)
        elif self._behaviour == "exits":
            self.end(1, _TRACEBACK)
        elif self._behaviour == "slow start":
            self._late = asyncio.create_task(self._listen_late())
        else:
            await self._listen(container.address, RELEASE_PORT, self._answer)

    async def stop(self) -> None:
        """Let go of the ports and of every open connection."""
        for server in self._servers:
            server.close()
        work = [*self._work, *([self._late] if self._late else [])]
        for task in work:
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.gather(*(t for t in work if t is not asyncio.current_task()), return_exceptions=True)

    def end(self, code: int, said: str = "", *, oom: bool = False) -> None:
        """The program ends by itself."""
        container = self._container
        container.status, container.exit_code, container.oom_killed = "exited", code, oom
        if said:
            container.log.append(said)
        for server in self._servers:
            server.close()
        self._ended(container)

    async def _listen(self, address: str, port: int, answer: Any) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            self._work.add(task)
            try:
                await answer(reader, writer)
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass  # whoever asked is gone, or the container is
            finally:
                self._work.discard(task)
                writer.transport.abort() if self._behaviour == "out of memory" else writer.close()

        self._servers.append(await asyncio.start_server(serve, address, port))

    async def _listen_late(self) -> None:
        await asyncio.sleep(0.3)
        await self._listen(self._container.address, RELEASE_PORT, self._answer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        self._answers += 1
        if self._behaviour == "out of memory":
            self.end(137, oom=True)
            return
        if self._behaviour == "silent" or (self._behaviour == "hangs" and self._answers > 1):
            await asyncio.sleep(3600)
        release = self._container.env.get("RELEASE_ID", "")
        body: dict[str, Any] = {"status": "active", "release": release}
        if self._behaviour == "wrong release":
            body["release"] = "another"
        if path == "/capabilities":
            body = {"capabilities": ["answers"]}
        status = 500 if self._behaviour == "500" else 200
        writer.write(_http(status, body))
        await writer.drain()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As the proxy does: the first server that takes the connection gets the request."""
        request = await reader.readuntil(b"\r\n\r\n")
        for name in self._container.served():
            found = self._find(name)
            if found is None or not found.running:
                continue
            with suppress(OSError):
                up_reader, up_writer = await asyncio.open_connection(found.address, RELEASE_PORT)
                try:
                    up_writer.write(request)
                    writer.write(await up_reader.read())
                    await writer.drain()
                    return
                finally:
                    up_writer.close()
        writer.write(_http(503, {"error": "No server is available to handle this request."}))
        await writer.drain()


def _http(status: int, body: dict[str, Any]) -> bytes:
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text
