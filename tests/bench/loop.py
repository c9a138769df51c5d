"""A scaffold build from POST to live and registered, against the same commands in a shell script."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from executor.checks.suite_command import plugins_of, suite_command
from executor.sandbox.base import Limits
from executor.sandbox.places import Places
from tests.acceptance.daemon import RealDaemon, free_port
from tests.bench.daemon import serving, start
from tests.bench.harness import environment, place, quantile
from tests.bench.results import Figure, at_most, bounded

_SCRIPT = Path(__file__).with_name("loop.sh")
_INTENT = "Build a Library Droplet that stores books with title, author and year"
_PATIENCE = 120.0


def measure(quick: bool) -> list[Figure]:
    """The loop and the script in turn; both find the droplet's environment made."""
    with serving() as daemon:
        start(daemon)
        first, livez = _watched_build(daemon)
        ours, script = [], []
        for number in range(1 if quick else 5):
            ours.append(_build(daemon, 501 + number))
            script.append(_by_hand(daemon, first))
    seconds, by_hand = median(ours), median(script)
    against = f"shell script: {by_hand:.2f} s"
    return [
        at_most("POST to live and registered", seconds, "s", against, seconds / by_hand, 1.3),
        bounded("/livez p99 while a build runs", quantile(livez, 0.99) * 1e3, "ms", 50),
    ]


def _watched_build(daemon: RealDaemon) -> tuple[dict[str, Any], list[float]]:
    """The first build, which makes the environment, and how long /livez took meanwhile."""
    build_id = daemon.build(_INTENT, droplet_id=500, droplet_name="bench500")
    seen: list[float] = []
    while True:
        asked = time.perf_counter()
        daemon.call("GET", "/livez")
        seen.append(time.perf_counter() - asked)
        time.sleep(0.01)
        if len(seen) % 20 == 0 and (document := daemon.status(build_id))["finished_at"]:
            return _complete(document), seen


def _build(daemon: RealDaemon, droplet_id: int) -> float:
    """One build of a new droplet, in seconds."""
    began = time.perf_counter()
    build_id = daemon.build(_INTENT, droplet_id=droplet_id, droplet_name=f"bench{droplet_id}")
    while not (document := daemon.status(build_id))["finished_at"]:
        time.sleep(0.02)
        assert time.perf_counter() - began < _PATIENCE, document
    seconds = time.perf_counter() - began
    _complete(document)
    return seconds


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    assert document["status"] == "complete", document
    return document


def _by_hand(daemon: RealDaemon, built: dict[str, Any]) -> float:
    """The script, until it says that its release is live, in seconds."""
    (venv,) = Places.of(daemon.state_dir).venvs.iterdir()
    ruff = Path(sys.executable).with_name("ruff")
    ports = [free_port() for _ in range(3)]
    words = [built["repository_path"], built["commit"], venv, ruff, *ports, *_plugin_words(venv)]
    with place() as directory, (directory / "script.log").open("w+") as log:
        began = time.perf_counter()
        with subprocess.Popen(
            ["timeout", str(_PATIENCE), str(_SCRIPT), *map(str, words)],
            cwd=directory,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as script:
            assert script.stdout is not None
            said = script.stdout.readline()
            seconds = time.perf_counter() - began
        log.seek(0)
        assert said == "live\n", log.read()
    return seconds


def _plugin_words(venv: Path) -> list[str]:
    """What the Verifier tells pytest of the plugins in this venv, with places of the script's own."""
    argv = suite_command(Path(), venv, plugins_of(venv), Limits()).argv
    words = argv[argv.index("/out/junit.xml") + 1 :]
    kept = [word.replace("/out/", "/tmp/") for word in words]
    while "--cov-config" in kept:
        at = kept.index("--cov-config")
        del kept[at : at + 2]
    return kept
