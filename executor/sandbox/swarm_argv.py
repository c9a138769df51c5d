"""The command lines of jobs on a swarm, as pure functions, so that they are tested as lists.

The walls are those of docker_argv.py as far as services have them (docker 20.10). Three differ. Services know
no `--network none`: each job has an overlay network of its own with `--internal`, which has no way out and no
neighbour. They know no `no-new-privileges`: the runner sets it. And the tmpfs of services is `noexec`: what a
test writes it cannot start as a program. Where a node has swap, a job may use as much of it as of memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from executor.sandbox.argv import free_target
from executor.sandbox.base import SandboxCommand
from executor.sandbox.docker_argv import PORTS, csv_line, process_options
from executor.sandbox.identity import SANDBOX_UID
from executor.sandbox.swarm_runner import KEY, PIECES

LABEL = "fpai.job"
"""Names the state directory whose daemon made a service, a config, a network or an image."""
_MIB = 1 << 20
_TMP_MIB = 256
# Docker's resolver is to ask nobody for a name that it does not know (TEST-NET-1), for a second at most.
_NO_NAMES = ("--dns", "192.0.2.1", "--dns-option", "timeout:1", "--dns-option", "attempts:1")
_START = "import sys; sys.path.insert(0, '/fpai'); from executor.sandbox.swarm_runner import main; main()"


@dataclass(frozen=True, slots=True)
class Job:
    """One job: its name is that of its service and network, and begins those of its configs."""

    name: str
    label: str
    image: str
    pieces: int
    constraints: tuple[str, ...] = ()

    @property
    def configs(self) -> list[str]:
        """The names of the configs that hold its files."""
        return [f"{self.name}-{number}" for number in range(self.pieces)]


def network_argv(job: Job) -> list[str]:
    """Return the words after `docker` that make the job's network, which leads nowhere."""
    labels = ["--label", f"{LABEL}={job.label}"]
    return ["network", "create", "--driver", "overlay", "--internal", *labels, job.name]


def config_argv(job: Job, name: str) -> list[str]:
    """Return the words after `docker` that make a config of what is on stdin."""
    return ["config", "create", "--label", f"{LABEL}={job.label}", name, "-"]


def service_argv(job: Job, command: SandboxCommand) -> list[str]:
    """Return the words after `docker` that start the job; the key is taken from the client's environment."""
    return [
        "service", "create", "--name", job.name, "--label", f"{LABEL}={job.label}", "--detach", "--quiet",
        "--mode", "replicated-job", "--replicas", "1", "--restart-condition", "none",
        "--no-resolve-image", "--no-healthcheck", "--stop-grace-period", "1s",
        *_walls(job), *_limits(command), *_mounts(command), *_configs(job),
        *_options("--constraint", job.constraints), "--env", KEY,
        "--log-driver", "json-file", "--log-opt", "max-size=64m", "--log-opt", "max-file=1",
        "--workdir", "/", "--entrypoint", "python3", job.image, "-I", "-B", "-c", _START,
    ]  # fmt: skip


def _walls(job: Job) -> list[str]:
    return [
        "--network", job.name, *_NO_NAMES, "--hostname", "sandbox", "--cap-drop", "ALL", "--read-only",
        "--user", f"{SANDBOX_UID}:{SANDBOX_UID}", "--sysctl", PORTS,
    ]  # fmt: skip


def _limits(command: SandboxCommand) -> list[str]:
    limits = command.limits
    whole = ["--limit-memory", str(limits.memory_bytes), "--limit-pids", str(limits.pids)]
    return [*whole, *process_options(limits)]


def _mounts(command: SandboxCommand) -> list[str]:
    """Hide /sys and the cgroups below it; give each writable directory a room of bounded size."""
    room = math.ceil(2 * command.limits.file_bytes / _MIB) or _TMP_MIB
    options = _tmpfs("/sys", "4096", "0555") + _tmpfs("/tmp", f"{_TMP_MIB}m", "1777")  # noqa: S108
    for bind in command.binds:
        if bind.writable:
            options += _tmpfs(free_target(bind.target), f"{room}m", "1777")
    return options


def _tmpfs(target: str, size: str, mode: str) -> list[str]:
    words = ["type=tmpfs", f"destination={target}", f"tmpfs-size={size}", f"tmpfs-mode={mode}"]
    return ["--mount", csv_line(words)]


def _configs(job: Job) -> list[str]:
    where = f"uid={SANDBOX_UID},gid={SANDBOX_UID},mode=0400"
    files = [f"source={name},target={PIECES}/{at:03},{where}" for at, name in enumerate(job.configs)]
    return _options("--config", files)


def _options(name: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (name, value)]
