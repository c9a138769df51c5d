"""The check of `fpai doctor` that looks at every machine on which releases are to run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from executor.adapters.docker import Docker
from executor.adapters.hosts import host_machine
from executor.adapters.local_machine import LocalMachine
from executor.adapters.machine import Machine
from executor.cli.doctor import Check
from executor.errors import ExecutorError
from executor.settings import Configuration
from executor.settings_tables import Deploy

_TOOLS = ("sh", "flock", "sha256sum", "sync", "mv", "cat", "date")
_PATIENCE = 8.0


def examine_deploy(configuration: Configuration) -> Check:
    """Reach each machine, and ask its Docker engine and for the programs that a deploy uses there."""
    deploy = configuration.settings.deploy
    if deploy.target == "process" and not deploy.hosts:
        return Check("deploy", "ok", "releases run as processes of this machine")
    return asyncio.run(_examined(configuration))


async def _examined(configuration: Configuration) -> Check:
    machines = list(_machines(configuration))
    found = await asyncio.gather(*(_look(machine) for machine in machines))
    says = "; ".join(said for said, _ in found)
    fixes = [fix for _, fix in found if fix]
    return Check("deploy", "fail" if fixes else "ok", says, " ".join(fixes))


def _machines(configuration: Configuration) -> Iterator[Machine]:
    deploy: Deploy = configuration.settings.deploy
    if deploy.target != "process":  # images are built by this machine's engine wherever they are to run
        yield LocalMachine(configuration.state_dir / "docker")
    for name in deploy.hosts:
        yield host_machine(deploy, name, connect_timeout=_PATIENCE)


async def _look(machine: Machine) -> tuple[str, str]:
    """What was seen, and what to do about it ("" when nothing is)."""
    try:
        version = await Docker(machine).ready()
        lacking = await _lacking(machine)
    except ExecutorError as error:
        return f"{machine.name}: {error.message}", error.hint
    finally:
        await machine.aclose()
    if lacking:
        return f"{machine.name}: {', '.join(lacking)} missing", f"Install them on {machine.name}."
    return f"{machine.name}: Docker {version}", ""


async def _lacking(machine: Machine) -> list[str]:
    script = 'for tool; do command -v "$tool" >/dev/null || echo "$tool"; done'
    done = await machine.run(["sh", "-c", script, "fpai", *_TOOLS])
    return done.stdout.decode("utf-8", "replace").split()
