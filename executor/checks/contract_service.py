"""The droplet's service, started in its walls on a unix socket and ready to be asked."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from executor.checks.probe import Patience, Probe, probing
from executor.domain.droplet import DropletIdentity
from executor.sandbox.base import Bind, Limits, RunningService, Sandbox, SandboxCommand
from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places
from executor.unbroken import unbroken

_PAUSE = 0.03
_SHOWN_OUTPUT = 800


@dataclass(frozen=True, slots=True)
class Subject:
    """The droplet that is probed, the walls that it is probed in, and how long it may take."""

    source: Path
    venv: Path
    identity: DropletIdentity
    sandbox: Sandbox
    places: Places
    limits: Limits
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class Served:
    """A service that answers, or the `problem` for which there is none to ask."""

    service: RunningService
    probe: Probe | None
    problem: str = ""


@asynccontextmanager
async def served(subject: Subject, extra: Mapping[str, str]) -> AsyncIterator[Served]:
    """Keep the service running with the contract's environment and `extra` while the context is open.

    A droplet that does not start is a `problem`; Transient or Permanent is this machine's trouble.
    """
    places = subject.places
    data, sockets = places.scratch("data"), places.socket_directory("probe")
    try:
        async with (
            subject.sandbox.serve(_command(subject, data, sockets, extra)) as service,
            _asked(sockets / "app.sock", service, subject.patience) as answering,
        ):
            yield answering
    finally:
        await unbroken(asyncio.gather(remove_tree(data), remove_tree(sockets)))


@asynccontextmanager
async def _asked(path: Path, service: RunningService, patience: Patience) -> AsyncIterator[Served]:
    until = time.monotonic() + patience.start
    while not _is_socket(path):
        if service.exited or time.monotonic() > until:
            yield Served(service, None, _problem(service, patience))
            return
        await asyncio.sleep(_PAUSE)
    with _pinned(path) as pinned:
        if not pinned or not await _answers(pinned, service, patience, until):
            yield Served(service, None, _problem(service, patience))
            return
        async with probing(pinned, patience) as probe:
            yield Served(service, probe)


async def _answers(socket: str, service: RunningService, patience: Patience, until: float) -> bool:
    """Whether /health gives any answer in time; what it says is judged later."""
    while not service.exited and (left := until - time.monotonic()) > 0:
        once = replace(patience, answer=min(left, patience.answer))
        async with probing(socket, once) as probe:
            if (await probe.ask("GET", "/health")).status:
                return True
        await asyncio.sleep(_PAUSE)
    return False


@contextmanager
def _pinned(path: Path) -> Iterator[str]:
    """An address of this very socket, or nothing if it is none: a link put in its place leads nowhere."""
    try:
        held = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield ""
        return
    try:
        yield f"/proc/self/fd/{held}" if stat.S_ISSOCK(os.fstat(held).st_mode) else ""
    finally:
        os.close(held)


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return False


def _problem(service: RunningService, patience: Patience) -> str:
    how = (
        "the service ended while starting"
        if service.exited
        else f"the service did not answer on its socket within {patience.start:g} s"
    )
    return f"{how}: {service.output()[-_SHOWN_OUTPUT:]}"


def _command(subject: Subject, data: Path, sockets: Path, extra: Mapping[str, str]) -> SandboxCommand:
    return SandboxCommand(
        argv=("/venv/bin/python", "-m", "uvicorn", "app.main:app", "--uds", "/sockets/app.sock"),
        binds=(
            Bind(subject.source, "/ws"),
            Bind(subject.venv, "/venv"),
            Bind(data, "/data", writable=True),
            Bind(sockets, "/sockets", writable=True),
        ),
        env={**_environment(subject.identity), **extra},
        limits=subject.limits,
    )


def _environment(identity: DropletIdentity) -> dict[str, str]:
    return {
        "SERVICE_NAME": identity.name,
        "SERVICE_PORT": str(identity.port),
        "DROPLET_ID": str(identity.id),
        "ENVIRONMENT": "production",
        "LOG_LEVEL": "INFO",
        "DATA_DIR": "/data",
        "REGISTER": "false",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
