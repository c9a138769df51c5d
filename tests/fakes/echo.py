"""A service on loopback that says back whatever it was sent, its callers' credentials included."""

from __future__ import annotations

import base64
import html
import json
from types import TracebackType
from urllib.parse import quote

from aiohttp import web


def said_back(secret: str) -> str:
    """A secret as careless services quote it: as it is, and in the encodings that errors are written in."""
    raw = secret.encode()
    forms = (
        secret, quote(secret, safe=""), raw.hex(), base64.b64encode(raw).decode(), json.dumps(secret),
        base64.b64encode(b"x-access-token:" + raw).decode(), html.escape(secret), repr(secret),
    )  # fmt: skip
    return " | ".join(forms)


class EchoServer:
    """`async with EchoServer() as echo:` serves at `echo.url`; `bodies` are what it was sent, no headers.

    It answers with `statuses` by the path's first word, in turn, the last one from then on; else 503.
    """

    def __init__(self, **statuses: tuple[int, ...]) -> None:
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self.url = ""
        self._statuses = {word: list(turns) for word, turns in statuses.items()}

    async def __aenter__(self) -> EchoServer:
        app = web.Application(client_max_size=32 << 20)
        app.router.add_route("*", "/{path:.*}", self._echo)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _echo(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.paths.append(request.path)
        turns = self._statuses.get(request.path.split("/")[1], [503])
        return echoed(request, turns.pop(0) if len(turns) > 1 else turns[0])


def echoed(request: web.BaseRequest, status: int) -> web.Response:
    """The answer that says a request back, under every key that an error is looked for in."""
    token = request.headers.get("Authorization", "").rpartition(" ")[2]
    said = said_back(token or request.path)
    answer = {"ok": False, "error": said, "message": said, "detail": said, "headers": dict(request.headers)}
    return web.json_response(answer, status=status)
