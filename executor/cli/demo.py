"""`make demo`: start the daemon if none runs, take one intent to a live service, print its address."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from executor.cli.address import find
from executor.cli.client import Daemon
from executor.cli.exits import CliError

_READY_SECONDS = 30.0
_LOG = Path(".executor") / "daemon.log"
_TOKEN = Path(".executor") / "token"
_PROVIDER = "FPAI_MODEL__PROVIDER"


def main(intent: str) -> int:
    """Run the demo; returns the exit code of `fpai build`, or 1 when the daemon does not come up."""
    begun = time.monotonic()
    _have_token()
    daemon = Daemon(find(None, None), timeout=5.0)
    if _answers(daemon):
        if _would_cost(daemon, os.environ):
            return 1
    elif not _start(daemon):
        return 1
    fpai = Path(sys.executable).with_name("fpai")
    build = subprocess.run([fpai, "build", intent, "--auto-approve", "--watch"], check=False)
    if build.returncode != 0:
        return build.returncode
    newest = daemon.get("/executor/builds", limit=1).json()[0]
    status = daemon.get(f"/executor/builds/{newest['build_id']}/status").json()
    _show(status, time.monotonic() - begun)
    return 0


def _have_token() -> None:
    """Releases of a daemon that is not root share its user, so its API wants a token: make and keep one."""
    if os.geteuid() == 0 or os.environ.get("FPAI_SERVER__TOKEN"):
        return
    _TOKEN.parent.mkdir(mode=0o700, exist_ok=True)
    if not _TOKEN.is_file():
        _TOKEN.touch(mode=0o600)
        _TOKEN.write_text(secrets.token_urlsafe(24))
    os.environ["FPAI_SERVER__TOKEN"] = _TOKEN.read_text()
    print(f"The daemon's API wants a token; for your own calls: export FPAI_TOKEN=$(cat {_TOKEN})")


def _answers(daemon: Daemon) -> bool:
    try:
        daemon.get("/readyz")
    except CliError:
        return False
    return True


def daemon_environment(own: Mapping[str, str]) -> dict[str, str]:
    """What the demo's daemon is started with: a demo spends no money unless a provider was chosen for it."""
    return {**own, _PROVIDER: own.get(_PROVIDER) or "scaffold"}


def _would_cost(daemon: Daemon, own: Mapping[str, str]) -> bool:
    """True, and said, when the daemon that runs already would call a model that nobody chose for the demo."""
    provider = daemon.get("/executor/capabilities").json().get("metadata", {}).get("provider", "scaffold")
    if provider == "scaffold" or own.get(_PROVIDER):
        return False
    print(
        f"The daemon at {daemon.address.url} builds with a model ({provider}), which costs money; the demo"
        " does not start that by itself.\n"
        f"Stop it with `make stop`, or choose it: {_PROVIDER}={provider} make demo",
        file=sys.stderr,
    )
    return True


def _start(daemon: Daemon) -> bool:
    _LOG.parent.mkdir(mode=0o700, exist_ok=True)
    with _LOG.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "executor"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, env=daemon_environment(os.environ),
        )  # fmt: skip
    until = time.monotonic() + _READY_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if _answers(daemon):
            print(f"The daemon runs at {daemon.address.url} (log: {_LOG}, stop it with `make stop`).")
            return True
        time.sleep(0.1)
    print(f"The daemon did not start; the end of {_LOG}:", file=sys.stderr)
    print("\n".join(_LOG.read_text(errors="replace").splitlines()[-15:]), file=sys.stderr)
    return False


def _show(status: dict[str, object], seconds: float) -> None:
    url = str(status["deployment_url"])
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:  # noqa: S310 - an http address of ours
            health = json.load(answer)
    except (OSError, ValueError, urllib.error.URLError) as error:
        health = {"status": f"no answer: {error}"}
    print()
    print(f"  {status['droplet_name']} (droplet {status['droplet_id']}) is live at {url}")
    print(f"  {url}/health says: {health.get('status')}, release {health.get('release', '?')}")
    print(f"  from intent to live service in {seconds:.1f} s")
    print(f"  the build's page: {status['web_url']}")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main(sys.argv[1]))
