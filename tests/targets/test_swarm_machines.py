"""Target swarm and its machines: those that are down, silent or strangers, their ports and their images."""

from collections.abc import Callable
from pathlib import Path

import pytest

from executor.errors import Permanent, ReleaseAtFault, Transient
from executor.targets.base import Release
from executor.targets.swarm import SwarmTarget
from tests.targets.swarm_releases import EDGE, PROXY, SERVICE, Doing, deploy, image_of, release


@pytest.fixture
def target(make_swarm_target: Callable[..., SwarmTarget]) -> SwarmTarget:
    return make_swarm_target()


async def test_a_host_that_is_no_manager_is_refused_with_the_command_that_helps(swarm, target):
    swarm.is_swarm = False
    with pytest.raises(Permanent) as caught:
        await deploy(target, "r1")
    assert "docker swarm init" in caught.value.hint


async def test_a_machine_of_another_swarm_is_refused_with_the_command_that_helps(swarm, target):
    swarm.nodes["beta"].elsewhere = True
    with pytest.raises(Permanent, match="beta is not a node of this swarm") as caught:
        await deploy(target, "r1")
    assert "docker swarm join-token" in caught.value.hint


async def test_a_drained_swarm_is_waited_for(swarm, target):
    for node in swarm.nodes.values():
        node.availability = "drain"
    with pytest.raises(Transient, match="takes tasks now"):
        await deploy(target, "r1")


async def test_a_machine_that_is_down_is_left_out_and_said_so(swarm, target):
    await deploy(target, "r1")
    beta = swarm.nodes["beta"]
    beta.silent, beta.state = True, "down"
    doing = Doing()
    await deploy(target, "r2", doing)
    assert any("beta" in line for line in doing.said)
    running = [task for task in swarm.services[SERVICE].tasks if task.wanted == "running"]
    assert {task.node for task in running} == {"node-alpha"}
    assert "fpai.image.notes" not in beta.labels


async def test_a_machine_that_came_back_without_the_image_gets_no_task_of_it(swarm, target):
    await deploy(target, "r1")
    beta = swarm.nodes["beta"]
    beta.silent, beta.state = True, "down"
    del beta.images[image_of("r2")]
    await deploy(target, "r2")
    beta.silent, beta.state = False, "ready"
    for _ in range(20):
        swarm.one_step()
    assert not any(task.state == "rejected" for task in swarm.services[SERVICE].tasks)
    assert swarm.answer(beta)[1] == {"release": "r2"}


async def test_a_machine_that_is_silent_while_the_swarm_counts_on_it_is_waited_for(swarm, target):
    await deploy(target, "r1")
    swarm.nodes["beta"].silent = True
    with pytest.raises(Transient, match="beta does not answer"):
        await deploy(target, "r2")
    assert swarm.serving(SERVICE) == {"r1"}


async def test_the_address_moves_to_a_machine_that_is_up(swarm, target):
    running = await deploy(target, "r1")
    swarm.machines["beta"].address = "127.0.0.2"
    swarm.nodes["alpha"].availability = "drain"
    found = await target.find(release("r1"))
    assert found is not None
    assert (running.url, found.url) == ("http://127.0.0.1:18500", "http://127.0.0.2:18500")


async def test_a_port_that_somebody_has_on_one_machine_is_passed_over_for_a_new_droplet(swarm, target):
    swarm.nodes["beta"].busy_ports = {18500, 18501}
    assert (await deploy(target, "r1")).url.endswith(":18502")
    assert swarm.services[PROXY].spec["ports"] == [18502]


async def test_the_port_of_a_droplet_that_serves_is_never_given_up(swarm, make_swarm_target):
    target = make_swarm_target(deadline=0.2)
    await deploy(target, "r1")
    swarm.nodes["beta"].busy_ports = {18500}
    swarm.services[PROXY].tasks.clear()
    with pytest.raises(Transient, match="does not run on beta"):
        await deploy(target, "r2")
    assert swarm.services[PROXY].spec["ports"] == [18500]


async def test_two_droplets_never_share_a_port(swarm, target):
    await deploy(target, "r1")
    swarm.keeps(image_of("o1"), {"fpai.release": "o1", "fpai.droplet": "other"})
    other = Release(
        "o1", "build-8-other-20260101-001", 8, "other", "1.0.0", "d" * 40, Path("/nowhere"), Path("/nowhere")
    )
    async with target.held("other", "o1"):
        await target.prepare(other, Doing())
        assert (await target.start(other)).url.endswith(":18501")


async def test_another_edge_image_reaches_the_droplets_that_have_one(swarm, make_swarm_target):
    await deploy(make_swarm_target(), "r1")
    swarm.keeps("sha256:" + "f" * 64, {}, tag="edge:2")
    await deploy(make_swarm_target(edge_image="edge:2"), "r2")
    assert swarm.services[PROXY].spec["image"] == "sha256:" + "f" * 64
    assert swarm.services[PROXY].spec["ports"] == [18500]


async def test_machines_with_different_edge_images_of_one_name_are_refused(swarm, target):
    beta = swarm.nodes["beta"]
    different = "sha256:" + "d" * 64
    beta.images[different] = beta.images.pop(EDGE) | {"Id": different}
    with pytest.raises(Permanent, match="different images"):
        await deploy(target, "r1")


async def test_an_image_without_a_health_check_is_refused_before_anything_is_changed(swarm, target):
    swarm.keeps(image_of("r2"), {"fpai.release": "r2", "fpai.droplet": "notes"}, health=False)
    await deploy(target, "r1")
    with pytest.raises(ReleaseAtFault, match="HEALTHCHECK"):
        await deploy(target, "r2")
    assert swarm.serving(SERVICE) == {"r1"}


async def test_images_that_are_not_kept_are_removed_and_those_the_service_names_stay(swarm, target):
    await deploy(target, "r1")
    await deploy(target, "r2")
    async with target.held("notes", "later"):
        await target.prune("notes", frozenset({"r2"}))
    for node in swarm.nodes.values():
        assert {image_of("r1"), image_of("r2")} <= set(node.images)
        assert image_of("r3") not in node.images


async def test_pruning_passes_over_a_machine_that_is_off(swarm, target):
    await deploy(target, "r1")
    swarm.nodes["beta"].silent = True
    async with target.held("notes", "later"):
        await target.prune("notes", frozenset({"r1"}))
    assert image_of("r2") not in swarm.nodes["alpha"].images
