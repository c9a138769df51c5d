"""The small process that stands over one release: holds its lock, bounds its log, kills all of it.

It is run by path with `python -I -S` and therefore imports the standard library only. It reads its orders as
JSON from stdin, leaves the daemon behind (fork, own session), and takes a lock in the record directory before
anything else: whoever holds that lock is the release, which no daemon killed at any moment can lose or
start twice. The release is its child behind --die-with-parent: the end of this process is the end of it all.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

READY, HELD, FAILED = 0, 3, 4
_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_READ = 64 << 10
_CHILD = re.compile(rb'"child-pid":\s*(\d+)')


class CappedLog:
    """A log of at most `limit` bytes in two files: `log` is written, `log.1` is the half before it."""

    def __init__(self, directory: Path, limit: int) -> None:
        self._path = directory / "log"
        self._before = directory / "log.1"
        self._half = max(limit // 2, 1)
        self._open()

    def write(self, data: bytes) -> None:
        """Append; on a full disk the bytes are dropped, since a release must not stop for its log."""
        try:
            if self._size + len(data) > self._half:
                os.close(self._fd)
                self._path.replace(self._before)
                self._open()
            self._size += os.write(self._fd, data[-self._half :])
        except OSError:
            return

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o640)
        self._size = os.fstat(self._fd).st_size


class Shepherd:
    """One release from its lock to its exit code."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self._orders = orders
        self._record = Path(orders["record"])
        self._outer = 0
        self._inner = 0

    def lock(self) -> bool:
        """Take the lock for as long as this process lives; False if another one holds it."""
        self._lock = os.open(
            self._record / "run.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
        )
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        (self._record / "exit.json").unlink(missing_ok=True)
        self._log = CappedLog(self._record, self._orders["log_bytes"])
        self._note()
        return True

    def run(self) -> int:
        """Start the release, copy what it prints, and return its exit code once all of it is gone."""
        signal.signal(signal.SIGTERM, self._ask_to_end)
        signal.signal(signal.SIGALRM, self._kill)
        reading, info = self._spawn()
        named = _CHILD.search(os.read(info, 4096))  # left open: bubblewrap writes more, and dies if it cannot
        self._inner = int(named[1]) if named else 0
        self._note()
        while data := os.read(reading, _READ):
            self._log.write(data)
        code = os.waitstatus_to_exitcode(os.waitpid(self._outer, 0)[1])
        _write_whole(self._record / "exit.json", {"code": code})
        return code

    def _note(self) -> None:
        own = {"pid": os.getpid(), "started": _start_ticks(os.getpid()), "inner": self._inner}
        _write_whole(self._record / "run.json", {**self._orders["note"], **own})

    def _spawn(self) -> tuple[int, int]:
        options = os.memfd_create("options")
        os.write(options, "".join(f"{option}\0" for option in self._orders["options"]).encode())
        os.lseek(options, 0, os.SEEK_SET)
        (reading, writing), (info, info_end) = os.pipe(), os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        moves = [(nothing, 0), (writing, 1), (writing, 2)]
        moves += [(options, self._orders["options_fd"]), (info_end, self._orders["info_fd"])]
        argv = self._orders["argv"]
        actions = [(os.POSIX_SPAWN_DUP2, here, there) for here, there in moves]
        self._outer = os.posix_spawnp(argv[0], argv, _ENV, file_actions=actions)
        for fd in (writing, info_end, options, nothing):
            os.close(fd)
        return reading, info

    def _ask_to_end(self, *_: object) -> None:
        """Let open requests finish: SIGTERM to the release itself, SIGKILL to all of it after the grace."""
        signal.setitimer(signal.ITIMER_REAL, self._orders["grace"])
        try:
            own = Path(f"/proc/{self._inner}/task/{self._inner}/children").read_text().split()
            for pid in own:
                os.kill(int(pid), signal.SIGTERM)
        except OSError:
            own = []
        if not own:
            self._kill()

    def _kill(self, *_: object) -> None:
        try:
            os.kill(self._outer, signal.SIGKILL)
        except OSError:
            return


def leave_daemon(orders: dict[str, Any]) -> int:
    """Go on in a child of its own session; the caller's exit code says whether that child holds the lock."""
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        return int.from_bytes(os.read(told, 1) or bytes([FAILED]), "big")
    os.close(told)
    os.setsid()
    shepherd = Shepherd(orders)
    held = not shepherd.lock()
    os.write(tell, bytes([HELD if held else READY]))
    os.close(tell)
    if not held:
        _let_go_of_standard_streams()
        shepherd.run()
    os._exit(0)


def stay(orders: dict[str, Any]) -> int:
    """Run in the foreground, for a service manager; returns the release's exit code."""
    shepherd = Shepherd(orders)
    return shepherd.run() if shepherd.lock() else HELD


def _let_go_of_standard_streams() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)


def _start_ticks(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def _write_whole(path: Path, content: dict[str, Any]) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    try:
        os.write(fd, json.dumps(content).encode())
    finally:
        os.close(fd)
    beside.replace(path)


if __name__ == "__main__":
    raise SystemExit(leave_daemon(json.load(sys.stdin)))
