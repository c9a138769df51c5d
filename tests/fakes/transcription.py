"""A server with OpenAI's transcription API: it checks what it is sent and says what a test has it say."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from aiohttp import web


class FakeTranscription:
    """`heard` are the forms of all requests; `says` is the text, or `answer` a whole answer of any kind."""

    def __init__(self, key: str = "") -> None:
        self.says = "FPAI, build the Coordinator Droplet to automate Step 3"
        self.answer: web.Response | None = None
        self.heard: list[dict[str, Any]] = []
        self.url = ""
        self._key = key
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> FakeTranscription:
        app = web.Application(client_max_size=32 << 20)
        app.router.add_post("/v1/audio/transcriptions", self._transcribe)
        app.router.add_post("/inference", self._transcribe)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _transcribe(self, request: web.Request) -> web.Response:
        if self._key and request.headers.get("Authorization") != f"Bearer {self._key}":
            return web.json_response({"error": {"message": "Incorrect API key"}}, status=401)
        form = await request.post()
        file = form["file"]
        if not isinstance(file, web.FileField) or not form.get("model"):
            return web.json_response({"error": {"message": "file and model are required"}}, status=400)
        self.heard.append(
            {**form, "path": request.path, "name": file.filename, "media": file.content_type,
             "audio": file.file.read()}
        )  # fmt: skip
        if self.answer is not None:
            return self.answer
        return web.json_response({"text": self.says})
