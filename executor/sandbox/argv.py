"""The command lines of the walls, as pure functions, so that they are tested as strings.

Source: `Sandbox` in the project's trust notes; the order of the options is the one that was measured.
"""

from __future__ import annotations

import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from executor.errors import Permanent
from executor.sandbox.base import Bind, Limits

_TMP_BYTES = 256 << 20
_SHM_BYTES = 64 << 20
_JOIN = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 97; shift; done; shift; exec "$@"'
_TAKEN = {"", "usr", "bin", "sbin", "lib", "lib64", "etc", "proc", "dev", "sys"}
_NETWORK_FILES = (
    "resolv.conf",
    "hosts",
    "host.conf",
    "nsswitch.conf",
    "gai.conf",
    "ssl/certs",
    "ssl/openssl.cnf",
)


@dataclass(frozen=True, slots=True)
class Walls:
    """What a command sees: its binds, its environment, whether it has the network."""

    binds: tuple[Bind, ...]
    cwd: str = "/ws"
    env: Mapping[str, str] = field(default_factory=dict)
    network: bool = False


def wall_options(walls: Walls) -> list[str]:
    """Return bubblewrap's options for these walls; raises Permanent for a bind at a place of the system's."""
    options = ["--unshare-user", "--disable-userns", "--unshare-ipc", "--unshare-pid"]
    options += [] if walls.network else ["--unshare-net"]
    options += ["--unshare-uts", "--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv"]
    options += ["--cap-drop", "ALL", *_system(), *(_network() if walls.network else [])]
    options += ["--proc", "/proc", "--dev", "/dev", "--size", str(_SHM_BYTES), "--tmpfs", "/dev/shm"]  # noqa: S108
    options += ["--size", str(_TMP_BYTES), "--tmpfs", "/tmp"]  # noqa: S108
    for bind in walls.binds:
        options += ["--bind" if bind.writable else "--ro-bind", str(bind.source), free_target(bind.target)]
    options += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", walls.cwd]
    env = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", **walls.env}  # noqa: S108
    for name, value in env.items():
        options += ["--setenv", name, value]
    return [*options, "--hostname", "sandbox"]


def bwrap_argv(command: Sequence[str], *, options_fd: int, info_fd: int | None = None) -> list[str]:
    """Return the call of bubblewrap; options go by a descriptor, for argv is public and env may not be."""
    info = [] if info_fd is None else ["--info-fd", str(info_fd)]
    return ["bwrap", "--args", str(options_fd), *info, "--", *command]


def packed(options: Sequence[str]) -> bytes:
    """Return options in the form that `--args` reads: each ended by a NUL byte."""
    if any("\0" in option for option in options):
        raise Permanent("A NUL byte stands in the command, its environment or a path: it cannot be run.")
    return b"".join(option.encode("utf-8", "surrogateescape") + b"\0" for option in options)


def setpriv_argv(uid: int | None) -> list[str]:
    """Return the prefix that gives up every right and becomes `uid`; nothing where the uid cannot change."""
    if uid is None:
        return []
    return [
        "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--bounding-set=-all",
        "--inh-caps=-all", "--no-new-privs",
    ]  # fmt: skip


def prlimit_argv(limits: Limits, *, files: int = 256, total_memory: bool, uid: int | None) -> list[str]:
    """Return the prefix that bounds each process.

    `total_memory`: a cgroup bounds the tree, so address space stays free. Without a uid of its own
    RLIMIT_NPROC would count the daemon's processes too, and beside a cgroup those of other sandboxes.
    """
    argv = ["prlimit"]
    if uid is not None and not total_memory:
        argv.append(_limit("nproc", resource.RLIMIT_NPROC, limits.pids))
    if not total_memory:
        argv.append(_limit("as", resource.RLIMIT_AS, 2 * limits.memory_bytes))
    if limits.file_bytes:
        argv.append(_limit("fsize", resource.RLIMIT_FSIZE, limits.file_bytes))
    argv += [_limit("nofile", resource.RLIMIT_NOFILE, files), "--core=0"]
    if limits.cpu_seconds:
        argv.append(_limit("cpu", resource.RLIMIT_CPU, limits.cpu_seconds))
    return argv


def join_argv(files: Sequence[str]) -> list[str]:
    """Return the prefix by which a process enters its cgroups before it becomes anything else."""
    return ["/bin/sh", "-c", _JOIN, "join", *files, "--"] if files else []


def _system() -> list[str]:
    options = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "lib", "lib64", "sbin"):
        options += ["--symlink", f"usr/{name}", f"/{name}"]
    options += ["--dir", "/etc"]
    for path in ("/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime"):
        options += ["--ro-bind-try", path, path]
    return options


def _network() -> list[str]:
    options: list[str] = []
    for name in _NETWORK_FILES:
        options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return options


def _limit(name: str, kind: int, value: int) -> str:
    _, hard = resource.getrlimit(kind)  # raising a hard limit is refused, to root in a container too
    return f"--{name}={value if hard == resource.RLIM_INFINITY else min(value, hard)}"


def free_target(target: str) -> str:
    """Return a bind's place inside the walls; raises Permanent for one of the system's or a crooked one."""
    path = PurePosixPath(target)
    if not path.is_absolute() or ".." in path.parts or path.parts[1:2] == () or path.parts[1] in _TAKEN:
        raise Permanent(
            f"Nothing can be bound at {target!r} inside the walls.", hint="Use a place such as /ws."
        )
    return str(path)
