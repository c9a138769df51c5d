"""Limits for a whole tree of processes: total memory and number of processes, on cgroup v1 and v2.

RLIMIT_AS bounds one process and RLIMIT_NPROC one user, so neither bounds a tree; a cgroup does. Every leaf is
made below the daemon's own cgroup, so limits set on the daemon from outside keep holding.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

_WANTED = ("memory", "pids")
_DAEMON_LEAF = "fpai-daemon"
_SANDBOX_PREFIX = "fpai-s-"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted cgroup tree: where new leaves go, which controllers it carries, v2 or not."""

    base: Path
    controllers: frozenset[str]
    unified: bool


@dataclass(frozen=True, slots=True)
class Leaf:
    """One tree of processes. `join` are the files into which a process writes 0 to enter it."""

    directories: tuple[Path, ...]

    @property
    def join(self) -> tuple[str, ...]:
        """The files into which a process writes 0 to enter."""
        return tuple(str(directory / "cgroup.procs") for directory in self.directories)

    def members(self) -> set[int]:
        """Return the process ids inside."""
        found: set[int] = set()
        for directory in self.directories:
            with contextlib.suppress(OSError):
                found.update(
                    int(pid) for pid in (directory / "cgroup.procs").read_text().split() if pid != "0"
                )
        return found

    def kill(self) -> None:
        """Send SIGKILL to every process inside."""
        for directory in self.directories:
            with contextlib.suppress(OSError):
                if (directory / "cgroup.kill").exists():
                    (directory / "cgroup.kill").write_text("1")
        for pid in self.members():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def remove(self, patience: float = 1.0) -> None:
        """Kill what is inside and remove the leaf, trying for up to `patience` seconds."""
        deadline = time.monotonic() + patience
        while not self._removed() and time.monotonic() < deadline:
            self.kill()
            time.sleep(0.002)

    def _removed(self) -> bool:
        for directory in self.directories:
            with contextlib.suppress(OSError):
                directory.rmdir()
        return not any(directory.exists() for directory in self.directories)


class Cgroups:
    """The trees in which this daemon may make leaves; with none of them, limits fall back to each process."""

    def __init__(self, hierarchies: tuple[Hierarchy, ...]) -> None:
        self._hierarchies = hierarchies
        self._count = 0
        self.controllers = frozenset(name for tree in hierarchies for name in tree.controllers)

    @classmethod
    def discover(cls, proc: Path = Path("/proc/self")) -> Cgroups:
        """Find the trees that are mounted, writable and delegated to us; an unusable one is left out."""
        mounts = (proc / "mountinfo").read_text().splitlines()
        own = (proc / "cgroup").read_text().splitlines()
        return cls(tuple(tree for line in mounts if (tree := _hierarchy(line, own)) is not None))

    def leaf(self, name: str, *, memory_bytes: int, pids: int) -> Leaf | None:
        """Make a leaf with these limits; None if no tree can hold one."""
        made = [
            directory for tree in self._hierarchies if (directory := _make(tree, name, memory_bytes, pids))
        ]
        return Leaf(tuple(made)) if made else None

    def sandbox_leaf(self, *, memory_bytes: int, pids: int) -> Leaf | None:
        """Make a leaf for one sandboxed command of this process."""
        self._count += 1
        return self.leaf(
            f"{_SANDBOX_PREFIX}{os.getpid()}-{self._count}", memory_bytes=memory_bytes, pids=pids
        )

    def existing(self, name: str) -> Leaf:
        """Return the leaf of that name, wherever it is there."""
        return Leaf(tuple(tree.base / name for tree in self._hierarchies if (tree.base / name).is_dir()))

    def sweep(self) -> None:
        """Kill and remove sandboxes whose daemon is gone."""
        for tree in self._hierarchies:
            for directory in tree.base.glob(f"{_SANDBOX_PREFIX}*-*"):
                owner = directory.name.removeprefix(_SANDBOX_PREFIX).split("-")[0]
                if not Path(f"/proc/{owner}").exists():
                    Leaf((directory,)).remove()


def _hierarchy(mount: str, own: list[str]) -> Hierarchy | None:
    fields, _, source = mount.partition(" - ")
    kind, _, options = [*source.split(), "", "", ""][:3]
    root, point = fields.split()[3:5]
    if kind == "cgroup":
        names = frozenset(options.split(",")) & frozenset(_WANTED)
        path = next(
            (line.split(":", 2)[2] for line in own if names & set(line.split(":")[1].split(","))), None
        )
        if names and path is not None and os.access(base := _inside(point, root, path), os.W_OK):
            return Hierarchy(base, names, unified=False)
    if kind == "cgroup2":
        path = next((line.split(":", 2)[2] for line in own if line.startswith("0::")), "/")
        return _unified(_inside(point, root, path))
    return None


def _inside(point: str, root: str, path: str) -> Path:
    inner = path.removeprefix(root.rstrip("/")) if path.startswith(root) else "/"
    return Path(point) / inner.lstrip("/")


def _unified(own: Path) -> Hierarchy | None:
    base = own.parent if own.name == _DAEMON_LEAF else own
    try:
        offered = frozenset((base / "cgroup.controllers").read_text().split()) & frozenset(_WANTED)
        if offered and not offered <= set((base / "cgroup.subtree_control").read_text().split()):
            _delegate(base, offered)
    except OSError:
        return None
    return Hierarchy(base, offered, unified=True) if offered and os.access(base, os.W_OK) else None


def _delegate(base: Path, controllers: frozenset[str]) -> None:
    """Move this process into a leaf: in v2 only a cgroup without processes may limit its children."""
    if (base / "cgroup.type").exists():
        (base / _DAEMON_LEAF).mkdir(exist_ok=True)
        (base / _DAEMON_LEAF / "cgroup.procs").write_text(str(os.getpid()))
    (base / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(controllers)))


def _make(tree: Hierarchy, name: str, memory_bytes: int, pids: int) -> Path | None:
    directory = tree.base / name
    try:
        directory.mkdir(exist_ok=True)
        if "pids" in tree.controllers:
            (directory / "pids.max").write_text(str(pids))
        if "memory" in tree.controllers:
            limit = "memory.max" if tree.unified else "memory.limit_in_bytes"
            (directory / limit).write_text(str(memory_bytes))
            if tree.unified and (directory / "memory.swap.max").exists():
                (directory / "memory.swap.max").write_text("0")
    except OSError:
        with contextlib.suppress(OSError):
            directory.rmdir()
        return None
    return directory
