"""The Python that runs behind the walls: one below /usr, since that is what every wall shows."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from executor.errors import Permanent

_OLDEST = (3, 11)
_MINORS = range(20, _OLDEST[1] - 1, -1)
_CANDIDATES = (
    Path("/usr/bin/python3"),
    Path("/usr/local/bin/python3"),
    *(Path(f"{where}/python3.{minor}") for minor in _MINORS for where in ("/usr/bin", "/usr/local/bin")),
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python by path and full version."""

    path: Path
    version: str


async def shared_interpreter(candidates: Sequence[Path] = _CANDIDATES) -> Interpreter:
    """Return the first candidate of at least 3.11 that everyone may run; raise Permanent if none is."""
    for path in candidates:
        version = await asyncio.to_thread(_version, path)
        if version and tuple(int(part) for part in version.split(".")[:2]) >= _OLDEST:
            return Interpreter(path, version)
    raise Permanent(
        "There is no Python 3.11 or newer below /usr, so droplets cannot run behind the walls.",
        hint="Install one, for instance: apt-get install python3.",
    )


def _version(path: Path) -> str:
    try:
        if not path.resolve(strict=True).stat().st_mode & 0o005 or not os.access(path, os.X_OK):
            return ""
        script = "import platform; print(platform.python_version())"
        asked = subprocess.run(
            [path, "-I", "-c", script], capture_output=True, text=True, timeout=10, check=True, env={}
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return asked.stdout.strip().split("+")[0].split("rc")[0]
