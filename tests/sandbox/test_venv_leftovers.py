"""A daemon that was killed while its resolver ran leaves a venv that is still being written."""

from __future__ import annotations

import subprocess
import threading

from executor.sandbox.venv import VenvCache, find_uv


async def test_a_first_build_is_not_stopped_by_a_resolver_that_outlived_its_daemon(places, tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = places.venvs / f".building-{gone.pid}-x"
    stop = threading.Event()

    def orphan() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            package = left / "venv" / f"package{number % 50}"
            try:
                package.mkdir(parents=True, exist_ok=True)
                (package / f"file{number}").write_text("x")
            except OSError:
                continue

    writing = threading.Thread(target=orphan)
    writing.start()
    try:
        requirements = tmp_path / "requirements.txt"
        requirements.write_text("six==1.17.0\n")
        venv = await VenvCache(places, find_uv()).get(requirements)
        assert (venv / "bin" / "python").exists()
    finally:
        stop.set()
        writing.join()
