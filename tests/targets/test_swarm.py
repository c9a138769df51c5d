"""Target swarm against a swarm that behaves: updates, rollbacks, and what is left afterwards."""

from collections.abc import Callable
from pathlib import Path

import pytest

from executor.errors import Conflict, Permanent, Transient
from executor.targets.swarm import SwarmTarget
from tests.targets.swarm_releases import PROXY, SERVICE, Doing, deploy, image_of, refused, release


@pytest.fixture
def target(make_swarm_target: Callable[..., SwarmTarget]) -> SwarmTarget:
    return make_swarm_target()


async def test_a_first_release_becomes_a_service_behind_one_edge_on_each_machine(swarm, target):
    running = await deploy(target, "r1")
    assert running.url == "http://127.0.0.1:18500"
    assert swarm.serving(SERVICE) == {"r1"}
    assert {task.node for task in swarm.services[PROXY].tasks} == {"node-alpha", "node-beta"}
    assert await target.find(release("r1")) == running
    assert await target.alive(running.handle)


async def test_the_next_release_replaces_its_tasks_and_leaves_the_edge_alone(swarm, target):
    first = await deploy(target, "r1")
    edge = swarm.services[PROXY].id, swarm.services[PROXY].spec
    second = await deploy(target, "r2")
    assert swarm.serving(SERVICE) == {"r2"}
    assert (swarm.services[PROXY].id, swarm.services[PROXY].spec) == edge
    assert second.url == first.url
    assert not await target.alive(first.handle)
    assert await target.find(release("r1")) is None


async def test_variables_reach_the_tasks_word_for_word_and_no_command_holds_a_value(swarm, target):
    await deploy(target, "r1")
    await deploy(target, "r2")
    env = dict(line.split("=", 1) for line in swarm.services[SERVICE].spec["env"])
    assert env["SAID"] == "a 'b' \"c\" $d \\e"
    assert env["RELEASE_ID"] == "r2"
    assert env["SERVICE_PORT"] == "8000"
    assert not any("$d" in word for words in swarm.said for word in words)


async def test_the_file_of_variables_is_gone_after_a_start(swarm, target):
    await deploy(target, "r1")
    left = Path(await swarm.machines["alpha"].root(), "droplets/notes/swarm")
    assert [path.name for path in left.iterdir()] == ["serving"]


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [("crash", "ended with exit code 1"), ("sick", "health check did not pass"), ("stranger", "'another'")],
)
async def test_r4_a_broken_release_is_rolled_back_and_its_log_told(swarm, target, behaviour, words, ledger):
    first = await deploy(target, "r1")
    swarm.behaves[image_of("r2")] = behaviour
    fault = await refused(target, "r2", first)
    assert words in fault.message
    assert "no such table" in fault.log
    assert swarm.services[SERVICE].spec["labels"]["fpai.release"] == "r1"
    assert swarm.serving(SERVICE) == {"r1"}
    assert await target.alive(first.handle)
    ledger.tried("shapes of broken release in a swarm")


async def test_r4_a_broken_release_says_which_one_runs(swarm, target):
    first = await deploy(target, "r1")
    swarm.behaves[image_of("r2")] = "crash"
    assert "Release r1 runs there" in (await refused(target, "r2", first)).message


async def test_a_broken_first_release_leaves_neither_service_nor_edge(swarm, target):
    swarm.behaves[image_of("r1")] = "crash"
    await refused(target, "r1", None)
    assert swarm.services == {}
    assert swarm.configs == {}


async def test_a_broken_release_that_stands_alone_keeps_the_port_of_the_one_by_the_book(swarm, target):
    first = await deploy(target, "r1")
    swarm.services.pop(SERVICE)
    swarm.behaves[image_of("r2")] = "crash"
    await refused(target, "r2", first)
    assert set(swarm.services) == {PROXY}
    assert (await deploy(target, "r1")).url == first.url


async def test_a_swarm_without_room_is_not_the_releases_fault_and_the_earlier_one_comes_back(
    swarm, make_swarm_target
):
    target = make_swarm_target(deadline=0.3)
    await deploy(target, "r1")
    swarm.behaves[image_of("r2")] = "waits"
    with pytest.raises(Transient, match="no suitable node"):
        await deploy(target, "r2")
    assert swarm.services[SERVICE].spec["labels"]["fpai.release"] == "r1"


async def test_a_release_that_was_started_and_never_switched_to_makes_room_when_stopped(swarm, target):
    await deploy(target, "r1")
    async with target.held("notes", "cancelled"):
        await target.prepare(release("r2"), Doing())
        running = await target.start(release("r2"))
        await target.stop(running.handle)
    assert swarm.services[SERVICE].spec["labels"]["fpai.release"] == "r1"


async def test_stopping_what_serves_takes_service_and_edge_away_also_after_a_rollback(swarm, target):
    await deploy(target, "r1")
    await deploy(target, "r2")
    running = await deploy(target, "r1")
    async with target.held("notes", "withdrawn"):
        await target.stop(running.handle)
    assert swarm.services == {}


async def test_stopping_what_was_replaced_changes_nothing(swarm, target):
    first = await deploy(target, "r1")
    await deploy(target, "r2")
    before = swarm.changes
    async with target.held("notes", "later"):
        await target.stop(first.handle)
    assert swarm.changes == before


async def test_a_retired_droplet_leaves_nothing_in_the_swarm(swarm, target):
    await deploy(target, "r1")
    async with target.held("notes", "gone"):
        await target.retire("notes")
    assert (swarm.services, swarm.configs, swarm.networks) == ({}, {}, {})
    assert not any("fpai.image.notes" in node.labels for node in swarm.nodes.values())


async def test_another_executors_droplet_of_that_name_is_refused_and_left_alone(
    swarm, make_swarm_target, target
):
    await deploy(target, "r1")
    other = make_swarm_target("executor-12-bb")
    with pytest.raises(Conflict, match="Another executor"):
        await deploy(other, "r2")
    async with other.held("notes", "x"):
        with pytest.raises(Conflict):
            await other.retire("notes")
    assert swarm.serving(SERVICE) == {"r1"}


async def test_nothing_is_changed_without_the_droplets_lock(swarm, target):
    with pytest.raises(Permanent, match="lock"):
        await target.start(release("r1"))
    assert swarm.changes == 0


async def test_who_lost_the_lock_changes_nothing_any_more(swarm, make_swarm_target, target):
    async with target.held("notes", "slow"):
        await target.prepare(release("r1"), Doing())
        root = await swarm.machines["alpha"].root()
        Path(root, "droplets/notes/fence").write_text("99\n")
        with pytest.raises(Transient, match="lock"):
            await target.start(release("r1"))
    assert swarm.services == {}


async def test_the_log_of_a_service_is_its_tasks_log(target):
    running = await deploy(target, "r1")
    assert "log of fpai-notes" in await target.log_tail(running.handle)
