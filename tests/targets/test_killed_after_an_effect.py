"""An effect that took place before the daemon could note it is noted by the daemon's next life."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from executor.targets.docker import DockerTarget
from tests.fakes.docker_engine import FakeEngine
from tests.fakes.host import fake_host
from tests.testbed.bed import BASE_IMAGE, EDGE_IMAGE
from tests.testbed.shipyard import Log, deployed, docker_target
from tests.testbed.tiny import tiny_release


class Killed(BaseException):
    """As final for what runs as SIGKILL is."""


class Noting(Log):
    """Keeps which effects were begun and which were noted as done; is killed once, after the given one."""

    def __init__(self, dies_after: str) -> None:
        super().__init__()
        self.open: set[str] = set()
        self._dies_after = dies_after

    async def effect(self, key: str, *, probe: Any, act: Any) -> Mapping[str, Any]:
        self.open.add(key)
        done = await super().effect(key, probe=probe, act=act)
        if self._dies_after and key.startswith(self._dies_after):
            self._dies_after = ""
            del self.effects[key]
            raise Killed(key)
        self.open.discard(key)
        return done


@pytest.fixture
async def target(tmp_path, monkeypatch) -> AsyncIterator[DockerTarget]:
    (tmp_path / "host").mkdir()
    async with fake_host(tmp_path / "host") as host, FakeEngine(tmp_path / "here") as here:
        here.images.add(BASE_IMAGE)
        here.images.add(EDGE_IMAGE)
        monkeypatch.setenv("PATH", f"{here.bin}:/usr/local/bin:/usr/bin:/bin")
        made = docker_target(host.machine(), tmp_path / "state")
        yield made
        await made.aclose()
        await host.settled()


@pytest.mark.parametrize("effect", ["image/", "ship/", "start/", "switch/"])
async def test_r1_what_was_done_and_not_noted_is_noted_in_the_next_life(effect, target, tmp_path, ledger):
    log, release = Noting(effect), tiny_release(tmp_path, "r1")
    with pytest.raises(Killed):
        await deployed(target, release, log)
    running = await deployed(target, release, log)
    assert await target.alive(running.handle)
    assert log.open == set()
    ledger.tried("effects that were done and not noted")
