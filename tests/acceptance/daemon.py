"""A real `fpai serve` process with a state directory and a port of its own, and a plain client for it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from executor.sandbox.places import Places
from executor.targets import record

FPAI = Path(sys.executable).with_name("fpai")
STILL = {"complete", "failed", "cancelled", "rejected", "rolled_back", "waiting_approval", "waiting_input"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RealDaemon:
    """`start` and `kill` as often as a test likes; everything else is HTTP or the CLI."""

    def __init__(self, home: Path, fpai: Path = FPAI, **env: str) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.fpai = fpai
        low = 20000 + (self.port * 7) % 20000
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("FPAI_")},
            "FPAI_SERVER__PORT": str(self.port),
            "FPAI_URL": self.url,
            "FPAI_DEPLOY__PORT_RANGE": f"{low},{low + 60}",
            **env,
        }
        self.log = home / "daemon.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def state_dir(self) -> Path:
        return self.home / ".executor"

    def start(self, *, wait: bool = True) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.fpai, "serve"],
                cwd=self.home,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if wait:
            self.until_ready()

    def until_ready(self) -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            with contextlib.suppress(OSError):
                if self.call("GET", "/readyz")[0] == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"not ready: {self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, _read(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _read(error.read())

    def get(self, path: str) -> Any:
        status, body = self.call("GET", path)
        assert status == 200, body
        return body

    def build(self, intent: str, **more: object) -> str:
        status, body = self.call("POST", "/executor/build-droplet", {"architect_intent": intent, **more})
        assert status == 202, body
        return str(body["build_id"])

    def status(self, build_id: str) -> dict[str, Any]:
        return dict(self.get(f"/executor/builds/{build_id}/status"))

    def until(self, build_id: str, *words: str, seconds: float = 120.0) -> dict[str, Any]:
        wanted = set(words) or STILL
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            document = self.status(build_id)
            if document["status"] in wanted:
                return document
            assert document["status"] not in STILL or words, document
            time.sleep(0.1)
        raise AssertionError(f"still {document['status']} in step {document['current_step']}: {document}")

    def cli(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [self.fpai, *words],
            cwd=self.home,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def releases_alive(self) -> list[str]:
        """Every release process of this state directory, by the kernel's word."""
        places = Places.of(self.state_dir)
        found = places.root.glob("releases/*/*")
        return sorted(place.name for place in found if record.holder(place) is not None)

    def clean_up(self) -> None:
        """End the daemon, its releases and its directories."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        places = Places.of(self.state_dir)
        for place in places.root.glob("releases/*/*"):
            pid = record.holder(place)
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + 10
        while self.releases_alive() and time.monotonic() < until:
            time.sleep(0.02)
        shutil.rmtree(places.root, ignore_errors=True)


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


@contextlib.contextmanager
def running(home: Path, fpai: Path = FPAI, **env: str) -> Iterator[RealDaemon]:
    """A started daemon, ended and cleaned up with the context."""
    daemon = RealDaemon(home, fpai, **env)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.clean_up()
