"""The first process of a job's container: lays out the files, runs the command, hands back what came of it.

It runs with the image's own Python and has no more than this package's `output` beside it. Nothing that the
command prints or does reaches the container's log: only what is said here, in numbered lines. The command has
the same uid, so this process makes itself unreadable first (no core, no ptrace, no /proc/1/environ), and the
files come under a key that only its environment holds.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import hashlib
import io
import json
import os
import select
import signal
import stat
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from executor.sandbox.output import HeadTail

PIECES = "/fpai-in"
KEY = "FPAI_JOB_KEY"
LINE = "fpai"
_LINE_BYTES = 8000  # docker's log takes lines of up to 16 KiB whole
_LARGEST_RESULT = 16 << 20
_SET_DUMPABLE, _SET_NO_NEW_PRIVS = 4, 38
_FIRST_TO_DIE = 'echo 1000 2>/dev/null > /proc/self/oom_score_adj; exec "$@"'


def main() -> None:
    """Do the job and print the lines that tell of it; what goes wrong here is told as `error`."""
    try:
        told = _done(json_of(_unsealed()))
    except Exception as error:
        told = {"error": f"{type(error).__name__}: {error}"}
    text = base64.b64encode(zlib.compress(json.dumps(told).encode())).decode()
    lines = [text[at : at + _LINE_BYTES] for at in range(0, len(text), _LINE_BYTES)]
    for number, line in enumerate(lines):
        print(LINE, number, len(lines), line, flush=True)


def sealed(data: bytes, key: bytes) -> bytes:
    """Return the data under a key that is used once, or what was under it."""
    pad = int.from_bytes(hashlib.shake_256(key).digest(len(data)), "big")
    return (int.from_bytes(data, "big") ^ pad).to_bytes(len(data), "big")


def json_of(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Lay the trees out at their places and return the description of the job."""
    job: dict[str, Any] = json.loads(files["job.json"])
    for number, target in enumerate(job["writable"]):
        with tarfile.open(fileobj=io.BytesIO(files[f"{number}.tar"])) as tree:
            if hasattr(tarfile, "fully_trusted_filter"):  # the daemon packed it, and this is the container
                tree.extraction_filter = tarfile.fully_trusted_filter
            tree.extractall(target)  # noqa: S202
    return job


def _unsealed() -> dict[str, bytes]:
    libc = ctypes.CDLL(None)
    for option, value in ((_SET_DUMPABLE, 0), (_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError("prctl failed")
    key = bytes.fromhex(os.environ.pop(KEY))
    pieces = sorted(Path(PIECES).iterdir())
    packed = sealed(b"".join(piece.read_bytes() for piece in pieces), key)
    with tarfile.open(fileobj=io.BytesIO(zlib.decompress(packed))) as outer:
        return {member.name: _content(outer, member) for member in outer}


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""


def _done(job: Mapping[str, Any]) -> dict[str, Any]:
    started, kept = time.monotonic(), HeadTail(job["output_bytes"])
    code, timed_out = _run(job, kept)
    files, missing = _results(job["results"])
    return {
        "exit_code": code,
        "timed_out": timed_out,
        "output": kept.text(),
        "output_bytes": kept.total,
        "seconds": time.monotonic() - started,
        "files": files,
        "left_out": missing,
    }


def _run(job: Mapping[str, Any], kept: HeadTail) -> tuple[int, bool]:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(reading, False)
    child = subprocess.Popen(
        ["/bin/sh", "-c", _FIRST_TO_DIE, "sh", *job["argv"]],
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=writing,
        cwd=job["cwd"],
        env=job["env"],
        start_new_session=True,
    )
    os.close(writing)
    code = _watched(child.pid, reading, kept, time.monotonic() + job["wall_seconds"])
    child.returncode = 0 if code is None else code  # it is collected here, with the orphans
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    _read(reading, kept)
    return (137, True) if code is None else (code, False)


def _watched(child: int, reading: int, kept: HeadTail, deadline: float) -> int | None:
    """The exit code, None when the time was over. Orphans are collected, as a first process must."""
    while (left := deadline - time.monotonic()) > 0:
        if select.select([reading], [], [], min(left, 0.05))[0] and _read(reading, kept):
            time.sleep(0.02)  # every writer has gone, and a closed pipe is always readable
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == child:
                    code = os.waitstatus_to_exitcode(ended[1])
                    return code if code >= 0 else 128 - code
    return None


def _read(reading: int, kept: HeadTail) -> bool:
    """Take what is there, at most 1 MiB at a time; True at the end."""
    for _ in range(16):
        try:
            data = os.read(reading, 1 << 16)
        except BlockingIOError:
            return False
        if not data:
            return True
        kept.add(data)
    return False


def _results(paths: list[str]) -> tuple[dict[str, str], list[str]]:
    files: dict[str, str] = {}
    missing: list[str] = []
    room = _LARGEST_RESULT
    for path in paths:
        data = _plain_file(path, room)
        if data is None:
            continue
        if len(data) > room:
            missing.append(path)
            continue
        room -= len(data)
        files[path] = base64.b64encode(data).decode()
    return files, missing


def _plain_file(path: str, limit: int) -> bytes | None:
    """A file's bytes, one more than the limit if it is longer; None where no plain file lies."""
    try:
        if os.path.realpath(path) != path:
            return None
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            return file.read(limit + 1) if stat.S_ISREG(os.fstat(fd).st_mode) else None
    except OSError:
        return None


if __name__ == "__main__":
    sys.exit("Called as a module by the job's container.")
