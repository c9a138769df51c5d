"""A second release over SSH, against the same docker commands typed by hand; and how much of it travels."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import pytest

from tests.bench.results import Figure, at_most, bounded
from tests.testbed.bed import BedHost, _brought_up, docker_engine
from tests.testbed.shipyard import Log, deployed, docker_target, withdrawn
from tests.testbed.tiny import program, tiny_release

_SCRIPT = Path(__file__).with_name("deploy.sh")


def measure(quick: bool) -> list[Figure]:
    """Releases in turn, by the target and by hand; none where the test bed does not come up."""
    try:
        docker_engine.__wrapped__()  # the check of the fixture
        bed = _brought_up("bench")
        host = next(bed)
    except pytest.skip.Exception as reason:
        print(f"deploy: not measured, {reason}")
        return []
    where = Path(tempfile.mkdtemp(prefix="bench-deploy-"))
    try:
        return asyncio.run(_measured(host, where, 2 if quick else 6))
    finally:
        next(bed, None)
        shutil.rmtree(where)


async def _measured(host: BedHost, where: Path, rounds: int) -> list[Figure]:
    target = docker_target(host.machine(), where / "state")
    running, ours, typed, sent, old = None, [], [], [], "none"
    for number in range(rounds + 1):
        release = tiny_release(where, f"r{number}", main=program(before=f"number = {number}"))
        log = Log()
        began = time.perf_counter()
        running = await deployed(target, release, log, running)
        seconds = time.perf_counter() - began
        by_hand, old = await asyncio.to_thread(_typed, host, release.source, number, old)
        if number:  # the first release brings the base image, the proxy and the connection
            ours.append(seconds)
            typed.append(by_hand)
            sent.append(sum(done["bytes"] for key, done in log.effects.items() if key.startswith("ship/")))
    await withdrawn(target, "tiny")
    await target.aclose()
    against = f"typed by hand: {median(typed):.2f} s"
    ratio = median(ours) / median(typed)
    return [
        at_most("deploy of a second release over SSH", median(ours), "s", against, ratio, 1.2),
        bounded("bytes sent for a release that changed one file", median(sent) / 1e3, "kB", 100),
    ]


def _typed(host: BedHost, source: Path, number: int, old: str) -> tuple[float, str]:
    name = f"typed-{number}"
    words = [str(source), f"bench-typed:{number}", name, old, f"{host.user}@{host.address}", host.key]
    began = time.perf_counter()
    subprocess.run(
        [_SCRIPT, *words, host.known_hosts, str(24000 + number)],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=300,
    )
    return time.perf_counter() - began, name
