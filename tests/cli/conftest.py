"""The real command line as a subprocess, against a behaving daemon on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.served import Served, serving

ROOT = Path(__file__).parents[2]
# A test run in the background ignores Ctrl-C, and its children would inherit that.
FPAI = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from executor.cli.main import main; main()",
]


@pytest.fixture
def served() -> Iterator[Served]:
    """A fake daemon on a port of its own."""
    with serving() as daemon:
        yield daemon


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Without the developer's own settings; bytecode is kept, as in any installation."""
    foreign = ("FPAI_", "ANTHROPIC", "NO_COLOR", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    cache = str(tmp_path_factory.mktemp("bytecode"))
    return kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "PYTHONPYCACHEPREFIX": cache}


@pytest.fixture
def run(
    served: Any, environment: dict[str, str], tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run fpai to its end in an empty directory, with the fake daemon as its daemon."""

    def call(*arguments: str, **over: Any) -> subprocess.CompletedProcess[str]:
        env = environment | {"FPAI_URL": served.url} | over.pop("env", {})
        return subprocess.run(
            [*FPAI, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=over.pop("cwd", tmp_path),
            env=env,
            stdin=subprocess.DEVNULL,
        )

    return call


@pytest.fixture
def start(served: Any, environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start fpai and hand back the process."""

    def begin(*arguments: str, **over: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*FPAI, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment | {"FPAI_URL": served.url},
            stdin=subprocess.DEVNULL,
            **over,
        )

    return begin
