"""The docker commands of one machine as lists of words; nothing is run here.

Written for Docker 20.10 and newer. What a container may is fixed here, for all of them: no capability, no
new privileges, bounded memory, processes and log, and nothing on the command line that is a secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container. `env_file` is a file of that machine; `image` is one that it has: a run never pulls.

    `volumes` are `NAME:/path`, `mounts` are `/dir:/path:ro`, `publish` are `[ADDRESS:]PORT:INSIDE`.
    """

    name: str
    image: str
    network: str
    labels: Mapping[str, str]
    env_file: str | None = None
    volumes: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    memory_bytes: int = 512 << 20
    pids: int = 128
    read_only: bool = True
    tmpfs: tuple[str, ...] = ("/tmp:size=64m",)  # noqa: S108 - inside the container
    restart: str = "always"
    user: str | None = None
    entrypoint: str | None = None
    command: tuple[str, ...] = ()
    stop_timeout: int = 10
    log_bytes: int = 8 << 20


@dataclass(frozen=True, slots=True)
class BuildSpec:
    """An image from the directory `context` of this machine and the Dockerfile in it."""

    context: str
    tag: str
    labels: Mapping[str, str] = field(default_factory=dict)


def run_argv(spec: ContainerSpec) -> list[str]:
    """The command that makes and starts a container and prints its id."""
    return [
        "docker", "run", "--detach", "--pull", "never",
        "--name", spec.name,
        "--network", spec.network,
        "--restart", spec.restart,
        "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges",
        "--memory", str(spec.memory_bytes),
        "--memory-swap", str(spec.memory_bytes),
        "--pids-limit", str(spec.pids),
        "--stop-timeout", str(spec.stop_timeout),
        "--log-driver", "json-file",
        "--log-opt", f"max-size={max(spec.log_bytes // 2, 1)}",
        "--log-opt", "max-file=2",
        *_each("--label", [f"{name}={value}" for name, value in sorted(spec.labels.items())]),
        *(["--env-file", spec.env_file] if spec.env_file else []),
        *_each("--volume", [*spec.volumes, *spec.mounts]),
        *_each("--publish", spec.publish),
        *(["--read-only"] if spec.read_only else []),
        *_each("--tmpfs", spec.tmpfs),
        *(["--user", spec.user] if spec.user else []),
        *(["--entrypoint", spec.entrypoint] if spec.entrypoint else []),
        spec.image,
        *spec.command,
    ]  # fmt: skip


def build_argv(spec: BuildSpec) -> list[str]:
    """The command that builds an image; the classic builder does it, which needs no plugin."""
    labels = [f"{name}={value}" for name, value in sorted(spec.labels.items())]
    return [
        "docker", "build", "--quiet", "--pull=false", "--rm", "--force-rm",
        "--tag", spec.tag,
        *_each("--label", labels),
        spec.context,
    ]  # fmt: skip


def containers_argv(labels: Mapping[str, str]) -> list[str]:
    """The command that prints the ids of all containers with these labels, running or not."""
    return ["docker", "ps", "--all", "--quiet", "--no-trunc", *_filters(labels)]


def images_argv(labels: Mapping[str, str]) -> list[str]:
    """The command that prints the ids of all images with these labels; without labels, of all images."""
    return ["docker", "image", "ls", "--quiet", "--no-trunc", *_filters(labels)]


def _filters(labels: Mapping[str, str]) -> list[str]:
    return _each("--filter", [f"label={name}={value}" for name, value in sorted(labels.items())])


def _each(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]
