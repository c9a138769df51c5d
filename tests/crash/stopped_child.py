"""The process that is asked to stop: the whole daemon with its web layer, and somebody who orders a build.

Its words are `<world_url> <registry_url> <model_url> <scenario>`. It exits with 0 only if the daemon drained
and nobody was told that it is ready after the signal had arrived.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

from executor import app
from executor.redaction import Redactor
from executor.settings import Configuration, Secrets
from executor.settings_tables import Settings
from tests.crash.awaits import Awaits
from tests.crash.child import INTENT
from tests.crash.outside import outside_of
from tests.crash.zygote import serve_lives

STILL_READY, HANGS = 99, 98
_HANG_SECONDS = 60.0
_FINISHED = ("complete", "failed")


class Customer(threading.Thread):
    """Orders the build once, follows it to its end, then stops the daemon; watches readiness after a stop."""

    def __init__(self, port: int, awaits: Awaits) -> None:
        super().__init__(daemon=True)
        self._base = f"http://127.0.0.1:{port}"
        self._awaits = awaits

    def run(self) -> None:
        while not self._stopped():
            try:
                body = {"architect_intent": INTENT, "approval_mode": "auto"}
                build = self._asked("/executor/build-droplet", body)["build_id"]
                while self._asked(f"/executor/builds/{build}/status")["status"] not in _FINISHED:
                    time.sleep(0.02)
                break
            except (OSError, HTTPException):
                time.sleep(0.02)  # it starts, or is gone
        if not self._stopped():
            self._awaits.kill_at = -1
            os.kill(os.getpid(), signal.SIGTERM)
        self._watch()

    def _stopped(self) -> bool:
        return self._awaits.kill_at < 0 or 0 < self._awaits.kill_at <= self._awaits.seen

    def _watch(self) -> None:
        """After the signal: ready never again, and gone in the end."""
        deadline = time.monotonic() + _HANG_SECONDS
        while time.monotonic() < deadline:
            try:
                self._asked("/readyz")
                os._exit(STILL_READY)
            except (OSError, HTTPException):
                time.sleep(0.005)
        os._exit(HANGS)

    def _asked(self, path: str, body: Any = None) -> Any:
        headers = {"content-type": "application/json", "idempotency-key": "stopped"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._base + path, data, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def live(awaits: Awaits, state_dir: Path, words: list[str]) -> None:
    """One life of the daemon, from its start to its exit code."""
    awaits.signal = signal.SIGTERM
    world_url, registry_url, model_url, scenario = words
    settings = Settings.model_validate({"registry": {"url": registry_url}})
    configuration = Configuration(settings, Secrets({}), None, state_dir)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)

    def counted() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        awaits.install(loop)
        return loop

    Customer(listener.getsockname()[1], awaits).start()
    outside = outside_of(world_url, registry_url, model_url, state_dir, scenario)
    code = app.run(configuration, Redactor(()), listener, outside=outside, loop_factory=counted)
    if code:
        os._exit(code)


if __name__ == "__main__":
    serve_lives(live)
