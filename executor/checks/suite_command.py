"""How the tests are run: the executor's runner and settings, beside a throw-away copy of the repository."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from executor.sandbox.base import Bind, Limits, SandboxCommand

# Plugins that a droplet's requirements may name; all others stay unloaded.
_ALLOWED = {
    "pytest_cov": "pytest_cov",
    "anyio": "anyio.pytest_plugin",
    "pytest_asyncio": "pytest_asyncio.plugin",
}
_RUNNER = Path(__file__).with_name("walled_runner.py")
_INI = "[pytest]\njunit_family = xunit2\n"
# Which lines count is not for the repository to say, so neither its settings nor its pragmas are read.
_COVERAGE = "[report]\nexclude_lines =\n    if TYPE_CHECKING:\n    ^\\s*\\.\\.\\.$\n"


def plugins_of(venv: Path) -> frozenset[str]:
    """The allowed plugins that this venv holds."""
    return frozenset(name for name in _ALLOWED if any(venv.glob(f"lib/python3*/site-packages/{name}")))


def lay_out(source: Path, scratch: Path, key: bytes) -> None:
    """Make the copy, the settings that only the daemon writes, and the directory of reports with the key."""
    shutil.copytree(source, scratch / "ws", symlinks=True, ignore=shutil.ignore_patterns(".git"))
    settings, out = scratch / "settings", scratch / "out"
    for folder in (settings, out):
        folder.mkdir()
        folder.chmod(0o755)
    texts = {"pytest.ini": _INI, "coverage.ini": _COVERAGE, "runner.py": _RUNNER.read_text("utf-8")}
    for name, text in texts.items():
        (settings / name).write_text(text, "utf-8")
        (settings / name).chmod(0o644)
    (out / "key").write_bytes(key)


def suite_command(
    scratch: Path,
    venv: Path,
    plugins: frozenset[str],
    limits: Limits,
    *options: str,
    tests: Sequence[str] = ("tests",),
) -> SandboxCommand:
    """The run. `-I` keeps files of the repository from standing in for modules of Python or of pytest.

    `options` are further ones of pytest, `tests` the files or directories that are run.
    """
    return SandboxCommand(
        argv=(
            "/venv/bin/python", "-I", "-B", "/settings/runner.py", "/out/key", "/out/sealed", "/out",
            *tests, "-c", "/settings/pytest.ini", "--rootdir", "/ws", "-o", "pythonpath=/ws", "-q",
            "-p", "no:cacheprovider", "--junitxml", "/out/junit.xml", *_plugin_options(plugins), *options,
        ),
        binds=(
            Bind(scratch / "ws", "/ws", writable=True),
            Bind(scratch / "out", "/out", writable=True),
            Bind(scratch / "settings", "/settings"),
            Bind(venv, "/venv"),
        ),
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COVERAGE_FILE": "/out/.coverage"},
        limits=limits,
        heavy=True,
        results=("/out/sealed", "/out/junit.xml", "/out/coverage.json"),
    )  # fmt: skip


def _plugin_options(plugins: frozenset[str]) -> list[str]:
    options = [word for name in sorted(plugins) for word in ("-p", _ALLOWED[name])]
    if "pytest_asyncio" in plugins:
        options += ["-o", "asyncio_mode=auto"]
    if "pytest_cov" in plugins:
        options += ["--cov", "app", "--cov-config", "/settings/coverage.ini"]
        options += ["--cov-report", "json:/out/coverage.json"]
    return options
