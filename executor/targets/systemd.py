"""Releases as instances of the service manager's template unit: they outlive the daemon and its upgrade.

The daemon writes a note of typed values; the unit runs as root, builds the walls from that note by itself and
changes to the droplet's uid. So a daemon that is not root may start releases, and nothing else.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

from executor.errors import Permanent, Transient
from executor.sandbox.cgroups import Cgroups
from executor.sandbox.places import Places, safe_name
from executor.targets.launch import Launch
from executor.targets.launcher import Launcher
from executor.targets.record import holder
from executor.targets.session import SessionLauncher
from executor.unbroken import unbroken

UNIT = "fpai-release@.service"
STATE = Path("/var/lib/fpai-release")
_RUNNING = Path("/run/systemd/system")
_UNIT_PLACES = (Path("/etc/systemd/system"), Path("/usr/lib/systemd/system"), Path("/lib/systemd/system"))
_COMMAND_PATIENCE = 60.0
_HELD_TRIES, _HELD_PAUSE = 500, 0.02


class SystemdLauncher:
    """Starts and stops `fpai-release@<release id>.service`; `state` is the unit's StateDirectory."""

    changes_uid = True

    def __init__(self, places: Places, *, systemctl: str = "systemctl", state: Path = STATE) -> None:
        self._places = places
        self._systemctl = systemctl
        self._state = state

    def record(self, droplet: str, release_id: str) -> Path:
        """Return the directory that the unit, not the daemon, owns and writes."""
        return self._state / "run" / safe_name(release_id)

    async def start(self, droplet: str, launch: Launch) -> None:
        """Write the note, start the instance, and return once its shepherd holds the lock or has ended."""
        await unbroken(self._start(self.record(droplet, launch.release_id), launch))

    async def stop(self, record: Path, release_id: str) -> None:
        """Stop the instance and remove its note."""
        await unbroken(self._ask("stop", release_id))
        if holder(record) is not None:
            raise Transient(f"Release {release_id} does not end, although its unit was stopped.")
        self._note(release_id).unlink(missing_ok=True)

    async def _start(self, record: Path, launch: Launch) -> None:
        before = _stamp(record / "exit.json")  # of an earlier run; this user may not remove it
        await asyncio.to_thread(_write_private, self._note(launch.release_id), launch.dumped())
        await self._ask("start", launch.release_id)
        for _ in range(_HELD_TRIES):
            if holder(record) is not None or _stamp(record / "exit.json") not in (None, before):
                return
            await asyncio.sleep(_HELD_PAUSE)
        raise Transient(
            f"The unit of release {launch.release_id} was started, but the release did not come up.",
            hint=f"See: journalctl -u {_instance(launch.release_id)}",
        )

    def _note(self, release_id: str) -> Path:
        return self._places.launches / f"{safe_name(release_id)}.json"

    async def _ask(self, verb: str, release_id: str) -> None:
        argv = [self._systemctl, "--no-ask-password", verb, _instance(release_id)]
        try:
            done = await asyncio.to_thread(
                subprocess.run,
                argv,
                capture_output=True,
                text=True,
                timeout=_COMMAND_PATIENCE,
                check=False,
                env={"PATH": os.defpath},
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise Transient(
                f"systemctl {verb} could not be run for release {release_id}: {error}."
            ) from error
        if done.returncode != 0:
            raise Permanent(
                f"systemctl {verb} {_instance(release_id)} failed: {done.stderr.strip()[-400:]}",
                hint="`fpai init --systemd` installs the unit and the polkit rule that allows it.",
            )


def choose_launcher(places: Places, cgroups: Cgroups, *, grace: float = 5.0) -> Launcher:
    """Return the launcher of this machine: the template unit where systemd runs and it is installed."""
    installed = any((place / UNIT).exists() for place in _UNIT_PLACES)
    systemctl = shutil.which("systemctl")
    if _RUNNING.is_dir() and installed and systemctl is not None:
        return SystemdLauncher(places, systemctl=systemctl)
    return SessionLauncher(places, cgroups, grace=grace)


def _instance(release_id: str) -> str:
    return UNIT.replace("@", f"@{safe_name(release_id)}")


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return what tells one writing of a file from the next, None while there is no file."""
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    return seen.st_ino, seen.st_mtime_ns


def _write_private(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
    beside.replace(path)
