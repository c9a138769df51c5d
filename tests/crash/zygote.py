"""A process that imports everything once, then forks a child for each run of a scenario."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.crash.awaits import Awaits

ROOT = Path(__file__).parents[2]


class Zygote:
    """The parent's side: `module` is one that calls `serve` when it is run."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, bufsize=1,
        )  # fmt: skip

    def run(self, kill_at: int, state_dir: Path, *words: str) -> tuple[int, int]:
        """Fork a child that is killed at that await (0: never): its exit status, and how many it saw."""
        self._process.stdin.write(json.dumps([kill_at, str(state_dir), *words]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["code"], answer["seen"]

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


def serve(run: Callable[[Awaits, Path, list[str]], Coroutine[Any, Any, None]]) -> None:
    """The zygote's side, for a life that is one coroutine."""
    serve_lives(lambda awaits, state_dir, words: asyncio.run(run(awaits, state_dir, words)))


def serve_lives(live: Callable[[Awaits, Path, list[str]], None]) -> None:
    """The zygote's side: fork a child for each line, and answer with how it ended."""
    # What a child logs goes to stderr; the pipe that was stdout is for answers alone.
    answers = os.dup(1)
    os.dup2(2, 1)
    for line in sys.stdin:
        kill_at, state_dir, *words = json.loads(line)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            awaits = Awaits(kill_at)
            live(awaits, Path(state_dir), words)
            os.write(writer, json.dumps(awaits.seen).encode())
            os._exit(0)
        os.close(writer)
        _, status = os.waitpid(pid, 0)
        seen = os.read(reader, 100).decode() or "0"
        os.close(reader)
        answer = {"code": os.waitstatus_to_exitcode(status), "seen": int(seen)}
        os.write(answers, (json.dumps(answer) + "\n").encode())
