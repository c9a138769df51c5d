"""Releases of one droplet for a swarm, and deploying them as the Deployer does."""

from __future__ import annotations

from pathlib import Path

import pytest

from executor.errors import ReleaseAtFault
from executor.targets.base import Release, Running
from executor.targets.swarm import SwarmTarget

EDGE = "sha256:" + "e" * 64
SERVICE, PROXY = "fpai-notes", "fpaiedge-notes"


class Doing:
    """What a build lends its target."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def progress(self, action: str, fraction: float | None = None) -> None:
        return None

    def log(self, text: str, level: str = "info") -> None:
        self.said.append(text)

    async def effect(self, key, *, probe, act):
        return await probe() or await act()


def image_of(name: str) -> str:
    return "sha256:" + name.encode().hex().ljust(64, "0")


def release(name: str) -> Release:
    return Release(
        id=name,
        build_id="build-7-notes-20260101-001",
        droplet_id=7,
        droplet_name="notes",
        version="1.0.0",
        commit="c" * 40,
        source=Path("/nowhere"),
        requirements=Path("/nowhere"),
        env={"SAID": "a 'b' \"c\" $d \\e", "LOG_LEVEL": "INFO"},
    )


async def deploy(target: SwarmTarget, name: str, doing: Doing | None = None) -> Running:
    wanted = release(name)
    async with target.held("notes", name):
        await target.prepare(wanted, doing or Doing())
        running = await target.start(wanted)
        await target.prove(running, wanted)
        await target.switch(running, wanted)
    return running


async def refused(target: SwarmTarget, name: str, earlier: Running | None) -> ReleaseAtFault:
    """Deploy what is at fault as the Deployer does, and return what it was told."""
    with pytest.raises(ReleaseAtFault) as caught:
        await deploy(target, name)
    async with target.held("notes", name):
        await target.discard(release(name), earlier.handle if earlier else None)
    return caught.value
