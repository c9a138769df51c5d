"""Releases in sessions of their own, for a machine where no service manager can be asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from executor.errors import Permanent, Transient
from executor.sandbox.cgroups import Cgroups
from executor.sandbox.identity import release_uid
from executor.sandbox.places import Places
from executor.targets import shepherd
from executor.targets.launch import Launch, orders
from executor.targets.record import holder, note
from executor.unbroken import unbroken

_STEP = 0.02
_KILL_AFTER_GRACE = 2.0
_START_PATIENCE = 15.0


class SessionLauncher:
    """Starts a shepherd that leaves the daemon at once; only its lock is asked afterwards."""

    def __init__(self, places: Places, cgroups: Cgroups, *, grace: float = 5.0) -> None:
        self._places = places
        self._cgroups = cgroups
        self._grace = grace

    @property
    def changes_uid(self) -> bool:
        """True for a daemon that runs as root."""
        return self._places.changes_uid

    def record(self, droplet: str, release_id: str) -> Path:
        """Return the release's own directory: the daemon owns it either way."""
        return self._places.release(droplet, release_id)

    async def start(self, droplet: str, launch: Launch) -> None:
        """Start a shepherd and return once it holds the lock, or once another one is found to hold it."""
        told = json.dumps(self._orders(droplet, launch))
        code, words = await unbroken(asyncio.to_thread(_spawn_shepherd, told))
        if code not in (shepherd.READY, shepherd.HELD):
            raise Permanent(
                f"Release {launch.release_id} could not be started: {words[-400:] or 'no word of why'}"
            )

    async def stop(self, record: Path, release_id: str) -> None:
        """SIGTERM, the grace, SIGKILL, and the cgroup's rest."""
        await unbroken(self._stop(record, release_id))

    def _orders(self, droplet: str, launch: Launch) -> dict[str, object]:
        uid = release_uid(launch.droplet_id) if self._places.changes_uid else None
        name = _leaf_name(launch.release_id)
        leaf = self._cgroups.leaf(name, memory_bytes=launch.memory_bytes, pids=launch.pids)
        return orders(
            launch,
            record=self.record(droplet, launch.release_id),
            data=self._places.data(droplet, launch.droplet_id),
            uid=uid,
            join=leaf.join if leaf else (),
            total_memory="memory" in self._cgroups.controllers,
        )

    async def _stop(self, record: Path, release_id: str) -> None:
        inner = _hold(note(record).get("inner", 0))
        try:
            await _end(record, signal.SIGTERM, self._grace + _KILL_AFTER_GRACE)
            await _end(record, signal.SIGKILL, _KILL_AFTER_GRACE)
            await _gone(inner, _KILL_AFTER_GRACE)
        finally:
            if inner is not None:
                os.close(inner)
        await asyncio.to_thread(self._cgroups.existing(_leaf_name(release_id)).remove)
        _reap(note(record).get("pid"))
        if holder(record) is not None:
            raise Transient(f"Release {release_id} does not end, not even when killed.")


def _spawn_shepherd(told: str) -> tuple[int, str]:
    argv = [sys.executable, "-I", "-S", str(Path(shepherd.__file__))]
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    try:
        done = subprocess.run(
            argv, input=told, env=env, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, start_new_session=True, timeout=_START_PATIENCE, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise Transient(f"The process over the release could not be started: {error}.") from error
    return done.returncode, done.stderr


def _leaf_name(release_id: str) -> str:
    return f"fpai-r-{release_id}"


def _reap(pid: object) -> None:
    """As process 1 of a container we inherit the shepherd, and must not leave it a zombie."""
    if isinstance(pid, int) and pid > 0:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _hold(pid: object) -> int | None:
    with contextlib.suppress(OSError):
        if isinstance(pid, int) and pid > 0 and _in_namespace(pid):
            return os.pidfd_open(pid)
    return None


def _in_namespace(pid: int) -> bool:
    """Tell whether a process is in a PID namespace below ours: a reused number would not be."""
    status = Path(f"/proc/{pid}/status").read_text()
    return any(line.startswith("NSpid:") and len(line.split()) > 2 for line in status.splitlines())


async def _end(record: Path, number: signal.Signals, patience: float) -> None:
    pid = holder(record)
    deadline = asyncio.get_running_loop().time() + patience
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    while holder(record) is not None and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - a file
        await asyncio.sleep(_STEP)


async def _gone(pidfd: int | None, patience: float) -> None:
    deadline = asyncio.get_running_loop().time() + patience
    while pidfd is not None and asyncio.get_running_loop().time() < deadline:
        if select.select([pidfd], [], [], 0)[0]:  # ended, though its new parent may not have reaped it yet
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        await asyncio.sleep(_STEP)
