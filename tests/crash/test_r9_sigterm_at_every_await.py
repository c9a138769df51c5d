"""R9: SIGTERM at any await: not ready from then on, drained, exit code 0, and the next start goes on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.outside import WorldServer
from tests.crash.sweep import summary
from tests.crash.zygote import Zygote
from tests.proof.scale import scaled

POINTS = scaled(16, 10**6)


@pytest.fixture(scope="module")
def world() -> Iterator[WorldServer]:
    with WorldServer() as server:
        yield server


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    one = Zygote("tests.crash.stopped_child")
    yield one
    one.close()


def lives(zygote: Zygote, world: WorldServer, *stops: int) -> tuple[list[tuple[int, int]], dict]:
    """Each life's exit code and awaits, and what is left of the world after the last."""
    world.fresh()
    state_dir = Path(tempfile.mkdtemp(prefix="fpai-stopped-"))
    words = (world.url, world.registry.url, world.model.url, "happy")
    try:
        ended = [zygote.run(stop, state_dir, *words) for stop in stops]
        return ended, summary(state_dir, world)
    finally:
        shutil.rmtree(state_dir, ignore_errors=True)


def test_r9_a_daemon_that_is_stopped_at_any_await_is_not_ready_drains_and_goes_on_later(
    zygote, world, ledger
):
    [(code, awaits)], undisturbed = lives(zygote, world, 0)
    assert code == 0
    assert undisturbed["builds"][0][0] == "complete"
    assert awaits > 100
    for point in range(1, awaits + 1, max(1, awaits // POINTS)):
        ended, left = lives(zygote, world, point, 0)
        assert [code for code, _ in ended] == [0, 0], f"stopped at await {point} of {awaits}"
        assert left == undisturbed, f"stopped at await {point} of {awaits}"
        ledger.tried("stop points")
