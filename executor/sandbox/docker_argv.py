"""The command lines of the docker walls, as pure functions, so that they are tested as lists.

Source: `Sandbox` in the project's trust notes. The view is bubblewrap's: the machine's own /usr, read-only,
and the binds of the command. The image gives no more than the root directory, so programs, the interpreter of
the venvs and their libraries are the same behind both kinds of wall. The time zone is UTC.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from executor.errors import Permanent
from executor.sandbox.argv import free_target
from executor.sandbox.base import Bind, Limits, SandboxCommand

LABEL = "fpai.sandbox"
"""Names the state directory whose daemon made a container, so that its successor can end what is left."""
OPEN_FILES = 256
"""Of one process."""
PORTS = "net.ipv4.ip_unprivileged_port_start=1024"
"""The kernel's own setting; docker would let everyone bind port 80."""
_TMP_BYTES = 256 << 20
_SHM_BYTES = 64 << 20
_GRACE = 10
_LONGEST_LINE = 60_000  # docker's client reads the file of the environment by lines of at most 64 KiB
_SHARED = ("/etc/alternatives", "/etc/ld.so.cache")
# The shell stays, as the first process of the PID namespace: it takes in orphans, and its end ends them all.
# It says nothing itself and merges the streams, since docker carries them apart and loses their order.
# `timeout` is for the case that the daemon dies: a container outlives it, but not the time of its command.
_FIRST = 'exec 2>/dev/null; s=$1; shift; timeout -s KILL "$s" "$@" 2>&1; exit $?'


@dataclass(frozen=True, slots=True)
class Container:
    """What stands around one command: whose it is, what its root is, whom it runs as."""

    name: str
    label: str
    image: str
    user: int
    unset: Collection[str] = ()  # variables that the image would set


def create_argv(container: Container, command: SandboxCommand, *, env_file: str) -> list[str]:
    """Return the words after `docker` that make the container; raises Permanent for a bind over the system.

    The environment goes by a file, for argv is public and values may not be.
    """
    return [
        "create", "--name", container.name, "--label", f"{LABEL}={container.label}", "--pull", "never",
        *wall_options(), *limit_options(command.limits), "--network", "none", "--sysctl", PORTS,
        "--log-driver", "none",
        "--user", f"{container.user}:{container.user}", "--hostname", "sandbox",
        *_mounts(command.binds), "--workdir", command.cwd,
        "--env-file", env_file, *_unset(container.unset, command.env),
        "--entrypoint", "/bin/sh", container.image, *_first(command),
    ]  # fmt: skip


def wall_options() -> list[str]:
    """Return the options that take rights and sights away. /sys is hidden, with the cgroups below it."""
    return [
        "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only", "--no-healthcheck",
        "--ipc", "private", "--shm-size", str(_SHM_BYTES), "--tmpfs",
        f"/tmp:rw,exec,nosuid,nodev,size={_TMP_BYTES},mode=1777",  # noqa: S108 - in the container
        "--tmpfs", "/sys:ro,nosuid,nodev,noexec,size=4096,mode=0555",
    ]  # fmt: skip


def limit_options(limits: Limits) -> list[str]:
    """Return the bounds of the whole tree (memory with swap, processes) and of each process."""
    memory = str(limits.memory_bytes)
    return [
        "--memory", memory, "--memory-swap", memory, "--pids-limit", str(limits.pids),
        *process_options(limits),
    ]  # fmt: skip


def process_options(limits: Limits) -> list[str]:
    """Return the bounds of each process."""
    options = ["--ulimit", "core=0", "--ulimit", f"nofile={OPEN_FILES}"]
    if limits.file_bytes:
        options += ["--ulimit", f"fsize={limits.file_bytes}"]
    if limits.cpu_seconds:
        options += ["--ulimit", f"cpu={limits.cpu_seconds}"]
    return options


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a command."""
    return {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", **given}  # noqa: S108


def env_lines(given: Mapping[str, str]) -> bytes:
    """Return the whole environment as docker's `--env-file` reads it; Permanent for what it cannot hold."""
    lines = [f"{name}={value}" for name, value in environment(given).items()]
    for line in lines:
        name = line.split("=")[0]
        if not name or name.startswith("#") or name.split() != [name]:
            raise Permanent(f"{name!r} cannot be the name of a variable in a container.")
        if set(line) & {"\n", "\r", "\0"} or len(line.encode()) > _LONGEST_LINE:
            raise Permanent(
                f"The variable {name} holds a line break, a NUL or more than {_LONGEST_LINE:,} bytes, which"
                " docker does not take.",
                hint="Give it as a file.",
            )
    return "".join(f"{line}\n" for line in lines).encode()


def bind_option(source: Path | str, target: str, *, writable: bool) -> str:
    """Return the value of `--mount` for a bind."""
    return csv_line(
        ["type=bind", f"source={source}", f"target={target}", *([] if writable else ["readonly"])]
    )


def csv_line(words: Sequence[str]) -> str:
    """Return words as the line of CSV that `--mount` takes: a comma in a path needs its quotes."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(words)
    return line.getvalue()


def _mounts(binds: Sequence[Bind]) -> list[str]:
    system = [Bind(Path("/usr"), "/usr"), *(Bind(Path(p), p) for p in _SHARED if Path(p).exists())]
    own = [Bind(bind.source, free_target(bind.target), bind.writable) for bind in binds]
    options: list[str] = []
    for bind in (*system, *own):
        options += ["--mount", bind_option(bind.source, bind.target, writable=bind.writable)]
    return options


def _unset(names: Collection[str], given: Mapping[str, str]) -> list[str]:
    return [word for name in sorted(set(names) - set(environment(given))) for word in ("-e", name)]


def _first(command: SandboxCommand) -> list[str]:
    script = _FIRST if "HOSTNAME" in command.env else f"unset HOSTNAME; {_FIRST}"
    return ["-c", script, "sandbox", str(int(command.limits.wall_seconds) + _GRACE), *command.argv]
