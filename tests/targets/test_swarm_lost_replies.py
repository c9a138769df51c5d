"""Target swarm when a command or its reply is lost on the way."""

from collections.abc import Awaitable, Callable

import pytest

from executor.errors import ExecutorError, ReleaseAtFault, Transient
from executor.targets.swarm import SwarmTarget
from tests.proof.scale import scaled
from tests.targets.swarm_releases import PROXY, SERVICE, Doing, deploy, image_of, release

_STEP = scaled(5, 1)
_FEWEST_CHANGES = 12


@pytest.fixture
def target(make_swarm_target: Callable[..., SwarmTarget]) -> SwarmTarget:
    return make_swarm_target()


async def until_done(work: Callable[[], Awaitable[object]]) -> None:
    """Try again as the runner does."""
    for _ in range(5):
        try:
            await work()
        except Transient:
            continue
        return
    pytest.fail("it was tried five times")


@pytest.mark.sweep
@pytest.mark.parametrize("lost", ["command", "reply"])
async def test_r3_a_deploy_survives_the_loss_of_any_one_command_or_its_reply(swarm, target, lost, ledger):
    """Each change in turn, for a first release, the next one, and the end of the droplet."""
    number = 0
    while number <= max(swarm.changes, _FEWEST_CHANGES):
        swarm.changes, swarm.lose = 0, (number, lost)
        await until_done(lambda: deploy(target, "r1"))
        await until_done(lambda: deploy(target, "r2"))
        assert sorted(swarm.services) == [SERVICE, PROXY]
        assert swarm.serving(SERVICE) == {"r2"}
        assert len(swarm.configs) == 1

        async def gone() -> None:
            async with target.held("notes", "gone"):
                await target.retire("notes")

        await until_done(gone)
        assert (swarm.services, swarm.configs, swarm.networks) == ({}, {}, {})
        number += _STEP
        ledger.tried(f"deploys to a swarm with a lost {lost}")


@pytest.mark.parametrize("lost", ["command", "reply"])
async def test_r3_a_refused_release_survives_the_loss_of_any_one_command_or_its_reply(
    swarm, target, lost, ledger
):
    swarm.behaves[image_of("r2")] = "waits"
    swarm.behaves[image_of("r3")] = "crash"
    first = await deploy(target, "r1")
    for number in range(0, 8, min(_STEP, 3)):
        swarm.changes, swarm.lose = 0, (number, lost)

        async def at_fault() -> None:
            async with target.held("notes", "r3"):
                await target.prepare(release("r3"), Doing())
                running = await target.start(release("r3"))
                try:
                    await target.prove(running, release("r3"))
                except ReleaseAtFault:
                    await target.discard(release("r3"), first.handle)
                    return
            pytest.fail("a release that crashes was proven")

        await until_done(at_fault)
        assert swarm.services[SERVICE].spec["labels"]["fpai.release"] == "r1"
        assert swarm.serving(SERVICE) == {"r1"}
        ledger.tried(f"refused releases of a swarm with a lost {lost}")


async def test_a_lost_manager_is_transient(swarm, target):
    running = await deploy(target, "r1")
    swarm.nodes["alpha"].silent = True
    for ask in (target.find(release("r1")), target.alive(running.handle)):
        with pytest.raises(ExecutorError) as caught:
            await ask
        assert isinstance(caught.value, Transient)
