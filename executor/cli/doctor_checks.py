"""The checks of `fpai doctor`: each looks at one thing and says what it saw and what to do."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executor.cli.address import Address, find
from executor.cli.client import FOREIGN, Daemon, Refused
from executor.cli.configured import chosen
from executor.cli.doctor import Check
from executor.cli.exits import CliError
from executor.errors import ExecutorError
from executor.settings import SECRET_NAMES, Configuration, load
from executor.settings_tables import SandboxTable

_PATIENCE = 3.0
_LEAST_DISK, _GOOD_DISK = 256 << 20, 2 << 30
_WAL_FIXED = (3, 51, 3)


@dataclass(frozen=True, slots=True)
class Host:
    """What the checks look at; without a usable configuration the state directory is the default one."""

    configuration: Configuration | None
    problem: str
    address: Address
    daemon: dict[str, Any] | None
    refusal: CliError | None
    """Why the daemon gave no answer."""
    deep: bool = False
    """Others may be asked and long looks taken, as long as that costs nothing."""

    @property
    def state_dir(self) -> Path:
        """Where builds are kept."""
        return self.configuration.state_dir if self.configuration else Path(".executor").resolve()


def look_around(config: Path | None, url: str | None, token: str | None, *, deep: bool = False) -> Host:
    """Read the configuration and ask the daemon, once, for all checks."""
    configuration, problem = None, ""
    try:
        configuration = load(chosen(config))
    except ExecutorError as error:
        problem = str(error)
    address = find(url, token)
    if configuration and not url and not os.environ.get("FPAI_URL") and config is not None:
        server = configuration.settings.server
        address = Address(f"http://{server.host}:{server.port}", address.token or server.token)
    try:
        health = Daemon(address, _PATIENCE).get("/executor/capabilities").json()
        return Host(configuration, problem, address, health if isinstance(health, dict) else {}, None, deep)
    except CliError as error:
        return Host(configuration, problem, address, None, error, deep)


def python(_: Host) -> Check:
    """The daemon's own interpreter; an older one than 3.11 would not have installed us."""
    return Check("python", "ok", sys.version.split()[0])


def configuration(host: Host) -> Check:
    """Read and checked whole."""
    if host.configuration is None:
        return Check("configuration", "fail", host.problem, "Mend it; `fpai config check` looks again.")
    path = host.configuration.path
    return Check(
        "configuration", "ok", f"{path}" if path else "no executor.toml here: defaults and FPAI_* variables"
    )


def state_directory(host: Host) -> Check:
    """Writable, or its nearest parent is."""
    place = host.state_dir
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".doctor-"):
            pass
    except OSError as error:
        fix = "Make it writable for this user, or set [state] dir."
        return Check("state directory", "fail", f"{host.state_dir} is not writable: {error.strerror}", fix)
    made = "" if host.state_dir.exists() else " (made at the first start)"
    return Check("state directory", "ok", f"{host.state_dir}{made}")


def disk(host: Host) -> Check:
    """Room for venvs, repositories and the database."""
    place = host.state_dir
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    says = f"{free / (1 << 30):.1f} GiB free"
    if free < _LEAST_DISK:
        return Check("disk", "fail", says, "Free some space: builds pause when the disk is full.")
    return Check(
        "disk", "ok" if free >= _GOOD_DISK else "warn", says, "" if free >= _GOOD_DISK else "Free some space."
    )


def sqlite(_: Host) -> Check:
    """Its version, and the bug in older ones that the single writer keeps away from us."""
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info >= _WAL_FIXED:
        return Check("sqlite", "ok", version)
    note = (
        "before 3.51.3 two writing connections could corrupt a WAL file; here one connection does all writes"
    )
    return Check("sqlite", "ok", f"{version} ({note})")


def git(_: Host) -> Check:
    """The git command line."""
    return _program("git", ["git", "--version"], "Install it: apt-get install git.")


def uv(_: Host) -> Check:
    """uv, which makes the droplets' venvs: beside this Python, else on the PATH."""
    beside = Path(sys.executable).with_name("uv")
    return _program(
        "uv", [str(beside) if beside.exists() else "uv", "--version"], "Install it: pip install uv."
    )


def system_python(_: Host) -> Check:
    """An interpreter that the sandbox's user can read: droplets run on it."""
    from executor.sandbox.interpreter import shared_interpreter  # noqa: PLC0415 - only this check needs it

    try:
        found = asyncio.run(shared_interpreter())
    except ExecutorError as error:
        return Check("droplets' python", "fail", error.message, error.hint)
    return Check("droplets' python", "ok", f"{found.path}, {found.version}")


def sandbox(host: Host) -> Check:
    """bubblewrap or docker, proven by the same self-test as at the daemon's start."""
    table = host.configuration.settings.sandbox if host.configuration else SandboxTable()
    if table.kind == "unsafe":
        fix = 'Set [sandbox] kind = "auto" unless nothing else is at stake on this machine.'
        return Check("sandbox", "warn", "unsafe: what a model writes runs without walls", fix)
    try:
        kind = asyncio.run(_proven(table, host.state_dir))
    except ExecutorError as error:
        return Check("sandbox", "fail", error.message, error.hint)
    except OSError as error:
        return Check(
            "sandbox", "fail", f"the self-test could not run: {error}", "See the state directory's check."
        )
    return Check("sandbox", "ok", f"{kind}: its walls stand")


async def _proven(table: SandboxTable, state_dir: Path) -> str:
    # Not choose_sandbox: that one also ends sandboxes left behind, and a daemon may be running right now.
    from executor.sandbox.choose import proven_sandbox  # noqa: PLC0415 - only this check needs them
    from executor.sandbox.places import Places  # noqa: PLC0415

    return (await proven_sandbox(table.kind, Places.of(state_dir), image=table.image)).kind


def port(host: Host) -> Check:
    """Free for a daemon, or already ours."""
    server = host.configuration.settings.server if host.configuration else None
    name, number = (server.host, server.port) if server else ("127.0.0.1", 8400)
    refused = isinstance(host.refusal, Refused) and host.refusal.code != FOREIGN
    if host.daemon is not None or refused:
        return Check("port", "ok", f"{host.address.url} is the executor's")
    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((name, number))
        except OSError as error:
            fix = f"See who holds it: ss -ltnp 'sport = :{number}'; or set [server] port."
            return Check("port", "fail", f"{name}:{number} cannot be used: {error.strerror}", fix)
    return Check("port", "ok", f"{name}:{number} is free")


def daemon(host: Host) -> Check:
    """Reachable, and which version it is."""
    if host.daemon is None:
        return Check("daemon", "warn", str(host.refusal), host.refusal.hint if host.refusal else "")
    return Check("daemon", "ok", f"{host.address.url}, version {host.daemon.get('version', 'unknown')}")


def version(host: Host) -> Check:
    """What is installed, what runs, and whether they and the database go together."""
    from executor.cli.doctor_version import examine_version  # noqa: PLC0415 - only this check needs it

    running = None if host.daemon is None else str(host.daemon.get("version", "unknown"))
    return examine_version(host.state_dir, running)


def secrets(host: Host) -> Check:
    """Which keys are there, by name only."""
    present = [name for name in SECRET_NAMES if host.configuration and host.configuration.secrets.get(name)]
    if "ANTHROPIC_API_KEY" in present:
        return Check("secrets", "ok", ", ".join(present))
    says = (
        f"{', '.join(present) or 'none'}; no ANTHROPIC_API_KEY: droplets are built by rule, without a model"
    )
    return Check("secrets", "ok", says)


def registry(host: Host) -> Check:
    """The ecosystem's Registry, when one is configured beside the built-in one."""
    if host.configuration is None:
        return Check("registry", "warn", "not looked at: the configuration cannot be read")
    from executor.cli.doctor_registry import examine_registry  # noqa: PLC0415 - reaches over the network

    return examine_registry(host.configuration)


def deploy(host: Host) -> Check:
    """The machines that releases are deployed to."""
    if host.configuration is None:
        return Check("deploy", "warn", "not looked at: the configuration cannot be read")
    from executor.cli.doctor_deploy import examine_deploy  # noqa: PLC0415 - reaches over the network

    return examine_deploy(host.configuration)


def notifications(host: Host) -> Check:
    """Which channels can be told, and with --deep whether they answer."""
    if host.configuration is None:
        return Check("notifications", "warn", "not looked at: the configuration cannot be read")
    from executor.cli.doctor_channels import examine_channels  # noqa: PLC0415 - reaches over the network

    return examine_channels(host.configuration, deep=host.deep)


def _program(name: str, argv: list[str], fix: str) -> Check:
    try:
        env = {"PATH": os.environ.get("PATH", os.defpath)}  # no secret is any program's business
        ran = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=True, env=env)
    except FileNotFoundError:
        return Check(name, "fail", "not found", fix)
    except (OSError, subprocess.SubprocessError) as error:
        return Check(name, "fail", f"does not run: {error}", fix)
    return Check(name, "ok", ran.stdout.strip())


CHECKS: tuple[Callable[[Host], Check], ...] = (
    python,
    configuration,
    state_directory,
    disk,
    sqlite,
    git,
    uv,
    system_python,
    sandbox,
    port,
    daemon,
    version,
    secrets,
    deploy,
    registry,
    notifications,
)
