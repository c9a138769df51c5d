"""A small machine with systemd as process 1, the executor installed on it by the README's own words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
_SCRIPT = HERE / "systemd-box"
_DROP_IN = """[Service]
Environment=SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
WatchdogSec=6
"""


class SystemdBox:
    """Commands run in it as root; those that fail raise with what they said, unless `check` is False."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, *words: str, check: bool = True, stdin: str = "", patience: float = 120) -> str:
        """What the command printed on stdout."""
        return _script("exec", self.name, *words, check=check, stdin=stdin, patience=patience)

    def write(self, path: str, text: str) -> None:
        """Write a file, with its directory."""
        self.run("sh", "-c", f"mkdir -p '{Path(path).parent}' && cat >'{path}'", stdin=text)

    def copy(self, source: Path, target: str) -> None:
        """Bring a file in."""
        _script("cp", self.name, str(source), target)

    def reboot(self) -> None:
        """Shut it down in order and boot it."""
        _script("reboot", self.name)

    def cut_power(self) -> None:
        """Kill everything in it at once, then boot it."""
        _script("poweroff", self.name)
        _script("boot", self.name)

    def shown(self, unit: str, what: str) -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", "-P", what, unit, check=False).strip()

    def journal(self, unit: str) -> list[dict[str, Any]]:
        """The unit's entries of this boot, oldest first."""
        lines = self.run("journalctl", "-b", "-u", unit, "-o", "json", "--no-pager").splitlines()
        return [json.loads(line) for line in lines]

    def until(self, holds: Callable[[], bool], what: str, seconds: float = 120) -> None:
        """Wait for something; the failure shows the daemon's journal."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                said = self.run("journalctl", "-u", "fpai", "--no-pager", "-n", "30", check=False)
                raise AssertionError(f"not within {seconds:g} s: {what}\n{said}")
            time.sleep(0.5)

    def is_active(self) -> bool:
        """Whether the daemon runs and is ready."""
        return self.shown("fpai", "ActiveState") == "active"

    def build(self, build_id: str) -> dict[str, Any]:
        """A build's status document; an empty one while the daemon does not answer."""
        text = self.run("fpai", "status", build_id, "--json", check=False)
        return json.loads(text) if text.startswith("{") else {}

    def submit(self, intent: str) -> str:
        """Order a build; its id."""
        return self.run("fpai", "build", intent, "--auto").strip().splitlines()[-1]


@contextmanager
def installed(name: str, wheel: Path) -> Iterator[SystemdBox]:
    """A box of that name with the service installed, enabled and running; gone afterwards."""
    try:
        _script("down", name)
        _script("up", name, patience=900)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"no machine with systemd comes up here: {error}")
    box = SystemdBox(name)
    try:
        box.copy(wheel, f"/opt/{wheel.name}")
        box.run("/opt/fpai/bin/pip", "install", "--quiet", "--no-deps", "--no-index", f"/opt/{wheel.name}")
        box.run("ln", "-s", "/opt/fpai/bin/fpai", "/usr/local/bin/fpai")
        box.run("fpai", "init", "--systemd")
        box.write("/etc/systemd/system/fpai.service.d/test.conf", _DROP_IN)
        box.run("systemctl", "daemon-reload")
        box.run("systemctl", "enable", "--now", "fpai")
        yield box
    finally:
        _script("down", name)


def made_wheel(into: Path) -> Path:
    """The wheel of this clone."""
    argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*argv, "--wheel-dir", str(into), str(ROOT)], check=True, env=dict(os.environ))
    return next(into.glob("*.whl"))


def _script(*words: str, check: bool = True, stdin: str = "", patience: float = 180) -> str:
    done = subprocess.run(
        [str(_SCRIPT), *words], input=stdin, capture_output=True, text=True, timeout=patience, check=False
    )
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise RuntimeError(f"{' '.join(words)}: exit code {done.returncode}: {said}")
    return done.stdout
