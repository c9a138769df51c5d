"""The docker commands of a swarm's manager as lists of words; nothing is run here.

Written for Docker 20.10 and newer: what its client cannot say for a service (no-new-privileges, an
environment file in an update) is not here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from executor.errors import Permanent

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What steers docker's client or the shell around it: such a variable would act on the manager instead.
_STEERING = re.compile(r"PATH|HOME|IFS|ENV|PS4|GODEBUG|(LD|DOCKER|BASH)_.*")
# Exports the lines of a file (NAME=value, taken word for word), then becomes the command: a value is never
# seen in a list of words, which every user of the machine can read.
_WITH_VARIABLES = """
while IFS= read -r line; do export "$line" || exit 1; done <"$1" || exit 1
shift
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Rolling:
    """How tasks are replaced. `monitor` is how many seconds the engine watches each new task."""

    order: str = "start-first"
    on_failure: str = "rollback"
    monitor: int = 5
    parallelism: int = 1


@dataclass(frozen=True, slots=True)
class HealthPace:
    """When the image's own HEALTHCHECK is asked, in whole seconds; the first time after `interval`.

    Seldom enough, and with patience enough, that a busy machine's tasks are not ended for being slow.
    """

    interval: int = 3
    timeout: int = 10
    retries: int = 5
    start_period: int = 10


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service. `image` is an image's id, so that no node ever asks an image registry for it.

    `variables` are names alone: their values come from the environment of the docker client (see
    `with_variables`). `replicas` None means one task on each node that `constraints` allow. `labels` are the
    service's, `task_labels` those of its tasks.
    """

    name: str
    image: str
    network: str
    memory_bytes: int
    pids: int
    replicas: int | None = None
    labels: Mapping[str, str] | None = None
    task_labels: Mapping[str, str] | None = None
    variables: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    volumes: tuple[tuple[str, str], ...] = ()
    configs: tuple[tuple[str, str], ...] = ()
    publish: tuple[tuple[int, int], ...] = ()
    tmpfs_bytes: int = 64 << 20
    read_only: bool = True
    user: str = ""
    entrypoint: str = ""
    command: tuple[str, ...] = ()
    stop_grace: int = 10
    restart_delay: int = 2
    log_bytes: int = 8 << 20
    rolling: Rolling = Rolling()
    health: HealthPace | None = None


def with_variables(env_file: str, argv: Sequence[str]) -> list[str]:
    """The command with the lines of a file on that machine (NAME=value) as additions to its environment."""
    return ["sh", "-c", _WITH_VARIABLES, "fpai", env_file, *argv]


def checked_variables(names: Sequence[str]) -> tuple[str, ...]:
    """The names, sorted. Raises Permanent for one that cannot reach a service through docker's client."""
    for name in names:
        if not _VARIABLE.fullmatch(name) or _STEERING.fullmatch(name):
            raise Permanent(
                f"The variable {name!r} cannot be given to a service: it would steer docker itself.",
                hint="Call it something else in the release's environment.",
            )
    return tuple(sorted(names))


def create_argv(spec: ServiceSpec) -> list[str]:
    """`docker service create`, returning at once."""
    mode = ["--mode", "global"] if spec.replicas is None else ["--replicas", str(spec.replicas)]
    return [
        *("docker", "service", "create", "--detach", "--name", spec.name, *mode),
        *("--network", spec.network, "--endpoint-mode", "dnsrr", "--cap-drop", "ALL"),
        *_options("--label", _pairs(spec.labels)),
        *_options("--container-label", _pairs(spec.task_labels)),
        *_options("--env", spec.variables),
        *_options("--constraint", spec.constraints),
        *_options(
            "--mount", [f"type=volume,source={name},destination={path}" for name, path in spec.volumes]
        ),
        *("--mount", f"type=tmpfs,destination=/tmp,tmpfs-size={spec.tmpfs_bytes},tmpfs-mode=1777"),
        *_options("--config", [_config(*item) for item in spec.configs]),
        *_options("--publish", [f"mode=host,published={out},target={into}" for out, into in spec.publish]),
        *(["--user", spec.user] if spec.user else []),
        *(["--entrypoint", spec.entrypoint] if spec.entrypoint else []),
        *_common(spec),
        spec.image,
        *spec.command,
    ]


def update_argv(
    spec: ServiceSpec, *, variables: Sequence[str] = (), configs: Sequence[str] = ()
) -> list[str]:
    """`docker service update` to the whole of `spec`, returning at once.

    `variables` and `configs` are those that the service has now; what `spec` does not name is taken away. The
    network, the mode, the volumes and published ports stay as they were made.
    """
    wanted = {name for name, _ in spec.configs}
    gone = [name for name in configs if name not in wanted]
    added = [_config(*item) for item in spec.configs if item[0] not in configs]
    return [
        *("docker", "service", "update", "--detach", "--image", spec.image),
        *([] if spec.replicas is None else ["--replicas", str(spec.replicas)]),
        *_options("--label-add", _pairs(spec.labels)),
        *_options("--container-label-add", _pairs(spec.task_labels)),
        *_options("--env-rm", sorted(set(variables) - set(spec.variables))),
        *_options("--env-add", spec.variables),
        *_options("--config-rm", gone),
        *_options("--config-add", added),
        *_common(spec),
        spec.name,
    ]


def _common(spec: ServiceSpec) -> list[str]:
    rolling, health = spec.rolling, spec.health
    return [
        "--no-resolve-image",
        f"--read-only={str(spec.read_only).lower()}",
        *("--limit-memory", str(spec.memory_bytes), "--limit-pids", str(spec.pids)),
        *("--restart-condition", "any", "--restart-delay", f"{spec.restart_delay}s"),
        *("--stop-grace-period", f"{spec.stop_grace}s"),
        *("--log-driver", "json-file", "--log-opt", f"max-size={spec.log_bytes}", "--log-opt", "max-file=2"),
        *("--update-order", rolling.order, "--update-failure-action", rolling.on_failure),
        *("--update-monitor", f"{rolling.monitor}s", "--update-parallelism", str(rolling.parallelism)),
        *("--update-max-failure-ratio", "0", "--rollback-max-failure-ratio", "0"),
        *("--rollback-order", rolling.order, "--rollback-monitor", f"{rolling.monitor}s"),
        *("--rollback-failure-action", "pause", "--rollback-parallelism", str(rolling.parallelism)),
        *([] if health is None else _paced(health)),
    ]


def _paced(health: HealthPace) -> list[str]:
    return [
        *("--health-interval", f"{health.interval}s", "--health-timeout", f"{health.timeout}s"),
        *("--health-retries", str(health.retries), "--health-start-period", f"{health.start_period}s"),
    ]


def _volume(name: str, path: str) -> str:
    return f"type=volume,source={name},destination={path}"


def _config(name: str, path: str) -> str:
    return f"source={name},target={path},mode=0444"


def _pairs(labels: Mapping[str, str] | None) -> list[str]:
    return [f"{name}={value}" for name, value in sorted((labels or {}).items())]


def _options(flag: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (flag, value)]
