"""One start of one release, as plain values, and the walls and command line that follow from them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from executor.errors import Invalid
from executor.sandbox.argv import Walls, bwrap_argv, join_argv, prlimit_argv, setpriv_argv, wall_options
from executor.sandbox.base import Bind, Limits
from executor.sandbox.places import safe_name
from executor.targets.base import Release

_OPTIONS_FD, _INFO_FD = 30, 31  # above whatever the shepherd has open itself
_OPEN_FILES = 4096
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one release may use as a whole.

    `log_bytes` bounds its log on disk; `grace` is the time in seconds for open requests when it is ended.
    """

    memory_bytes: int = 512 << 20
    pids: int = 128
    log_bytes: int = 8 << 20
    grace: float = 5.0


@dataclass(frozen=True, slots=True)
class Launch:
    """What is started: whose release, which files, where it listens, how much it may use."""

    release_id: str
    droplet_id: int
    source: str
    venv: str
    host: str
    port: int
    env: Mapping[str, str]
    memory_bytes: int
    pids: int
    log_bytes: int
    grace: float

    @classmethod
    def of(
        cls, release: Release, *, source: Path, venv: Path, address: tuple[str, int], bounds: Bounds
    ) -> Launch:
        """Return the start of a release: its own variables win over those it was given."""
        host, port = address
        own = {
            "HOST": host,
            "PORT": str(port),
            "SERVICE_PORT": str(port),
            "SERVICE_NAME": release.droplet_name,
            "SERVICE_VERSION": release.version,
            "DROPLET_ID": str(release.droplet_id),
            "RELEASE_ID": release.id,
            "BUILD_ID": release.build_id,
            "COMMIT": release.commit,
        }
        return cls(
            release_id=release.id,
            droplet_id=release.droplet_id,
            source=str(source),
            venv=str(venv),
            host=host,
            port=port,
            env={**release.env, **own},
            **asdict(bounds),
        )

    def dumped(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def parsed(cls, text: str) -> Launch:
        """Read it back; raises Invalid for anything that is not exactly this form."""
        try:
            launch = cls(**json.loads(text))
            launch._check()
        except (TypeError, ValueError, AttributeError) as error:
            raise Invalid(f"This is not the note of a release to start: {error}.") from error
        return launch

    def _check(self) -> None:
        safe_name(self.release_id)
        whole = (self.droplet_id, self.port, self.memory_bytes, self.pids, self.log_bytes)
        if any(type(value) is not int or value < 1 for value in whole) or not 1024 <= self.port <= 65535:
            raise ValueError("a number is out of range")
        if not all(Path(path).is_absolute() for path in (self.source, self.venv)):
            raise ValueError("a path is not absolute")
        if not all(_ENV_NAME.fullmatch(name) and isinstance(value, str) for name, value in self.env.items()):
            raise ValueError("an environment variable is malformed")


def release_walls(launch: Launch, data: Path) -> Walls:
    """Return the walls of a release: the network, its source and venv to read, one directory to write."""
    binds = (
        Bind(Path(launch.source), "/app"),
        Bind(Path(launch.venv), "/venv"),
        Bind(data, "/data", writable=True),
    )
    fixed = {"DATA_DIR": "/data", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    return Walls(binds, cwd="/app", env={**launch.env, **fixed}, network=True)


def server_argv(launch: Launch) -> list[str]:
    """Return the command inside the walls."""
    address = ["--host", launch.host, "--port", str(launch.port)]
    return ["/venv/bin/python", "-m", "uvicorn", "app.main:app", *address]


def orders(
    launch: Launch, *, record: Path, data: Path, uid: int | None, join: Sequence[str], total_memory: bool
) -> dict[str, Any]:
    """Return what the shepherd is told. `join` are cgroup files; `total_memory`: a cgroup bounds the tree."""
    limits = Limits(memory_bytes=launch.memory_bytes, pids=launch.pids, cpu_seconds=0, file_bytes=0)
    return {
        "record": str(record),
        "note": {"release_id": launch.release_id, "host": launch.host, "port": launch.port},
        "argv": [
            *join_argv(join),
            *setpriv_argv(uid),
            *prlimit_argv(limits, files=_OPEN_FILES, total_memory=total_memory, uid=uid),
            *bwrap_argv(server_argv(launch), options_fd=_OPTIONS_FD, info_fd=_INFO_FD),
        ],
        "options": wall_options(release_walls(launch, data)),
        "options_fd": _OPTIONS_FD,
        "info_fd": _INFO_FD,
        "log_bytes": launch.log_bytes,
        "grace": launch.grace,
    }
