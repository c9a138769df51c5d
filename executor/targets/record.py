"""What a release's shepherd leaves in its record directory, read back by whichever daemon asks."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import struct
from pathlib import Path
from typing import Any

_FLOCK = "hhqqi4x"  # struct flock of 64-bit Linux: type, whence, start, length, pid
_LOG_TAIL = 64 << 10


def holder(record: Path) -> int | None:
    """Return the pid that stands over the release, straight from the kernel's lock table, None if it is gone.

    A lock, unlike a pid in a file, can neither be stale nor belong to a process that took over the number.
    """
    try:
        fd = os.open(record / "run.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, asked))
    finally:
        os.close(fd)
    return None if kind == fcntl.F_UNLCK else int(pid)


def note(record: Path) -> dict[str, Any]:
    """Return what the shepherd noted (pid, started, inner, release_id, host, port), empty if nothing yet."""
    return _read(record / "run.json")


def exit_code(record: Path) -> int | None:
    """Return the exit code of a release that has ended, None if it runs or was killed with its shepherd."""
    code = _read(record / "exit.json").get("code")
    return code if isinstance(code, int) else None


def log_tail(record: Path, lines: int) -> str:
    """Return the last lines that the release printed."""
    text = b""
    for name in ("log.1", "log"):
        with contextlib.suppress(OSError), (record / name).open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _LOG_TAIL))
            text += log.read(_LOG_TAIL)
    return "\n".join(text.decode("utf-8", "replace").splitlines()[-lines:])


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
