"""The real command line as a subprocess, against a behaving daemon on loopback."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
# A test run in the background ignores Ctrl-C, and its children would inherit that.
FPAI = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from executor.cli.main import main; main()",
]


def _load(name: str) -> ModuleType:
    """Tests are no package (import-mode importlib), so the neighbour is loaded by its path."""
    spec = importlib.util.spec_from_file_location(f"cli_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fakes() -> ModuleType:
    return _load("fake_daemon")


@pytest.fixture
def served(fakes: ModuleType) -> Iterator[Any]:
    with fakes.serving() as daemon:
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
