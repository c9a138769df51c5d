"""Target swarm against a swarm that behaves: updates, rollbacks, lost replies, machines that are down."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from executor.adapters.docker import Docker
from executor.errors import Conflict, ExecutorError, Permanent, ReleaseAtFault, Transient
from executor.targets.base import Release, Running
from executor.targets.image import Images
from executor.targets.swarm import SwarmTarget
from tests.fakes.service_swarm import FakeSwarm
from tests.proof.scale import scaled

EDGE = "sha256:" + "e" * 64
_STEP = scaled(5, 1)
_FEWEST_CHANGES = 12
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


@pytest.fixture
async def swarm(tmp_path: Path) -> AsyncIterator[FakeSwarm]:
    fake = FakeSwarm(tmp_path, ["alpha", "beta"])
    fake.keeps(EDGE, {}, tag="edge:1")
    for name in ("r1", "r2", "r3"):
        fake.keeps(image_of(name), {"fpai.release": name, "fpai.droplet": "notes"})
    async with fake.open():
        yield fake


@pytest.fixture
def make(swarm: FakeSwarm, tmp_path: Path) -> Callable[..., SwarmTarget]:
    def made(owner: str = "executor-12-aa", **more) -> SwarmTarget:
        machines = list(swarm.machines.values())
        options = {
            "edge_image": "edge:1",
            "replicas": 2,
            "port_range": (18500, 18510),
            "probes": 2,
            "deadline": 2.0,
            "pause": 0.01,
        }
        return SwarmTarget(
            machines[0],
            machines,
            Images(Docker(machines[0]), tmp_path / "images"),
            owner=owner,
            **(options | more),
        )

    return made


@pytest.fixture
def target(make: Callable[..., SwarmTarget]) -> SwarmTarget:
    return make()


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
async def test_r4_a_broken_release_is_rolled_back_and_its_log_told(swarm, target, behaviour, words):
    first = await deploy(target, "r1")
    swarm.behaves[image_of("r2")] = behaviour
    fault = await refused(target, "r2", first)
    assert words in fault.message
    assert "no such table" in fault.log
    assert swarm.services[SERVICE].spec["labels"]["fpai.release"] == "r1"
    assert swarm.serving(SERVICE) == {"r1"}
    assert await target.alive(first.handle)


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


async def test_a_swarm_without_room_is_not_the_releases_fault_and_the_earlier_one_comes_back(swarm, make):
    target = make(deadline=0.3)
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


async def test_another_executors_droplet_of_that_name_is_refused_and_left_alone(swarm, make, target):
    await deploy(target, "r1")
    other = make("executor-12-bb")
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


async def test_who_lost_the_lock_changes_nothing_any_more(swarm, make, target):
    async with target.held("notes", "slow"):
        await target.prepare(release("r1"), Doing())
        root = await swarm.machines["alpha"].root()
        Path(root, "droplets/notes/fence").write_text("99\n")
        with pytest.raises(Transient, match="lock"):
            await target.start(release("r1"))
    assert swarm.services == {}


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


async def test_the_port_of_a_droplet_that_serves_is_never_given_up(swarm, make):
    target = make(deadline=0.2)
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


async def test_another_edge_image_reaches_the_droplets_that_have_one(swarm, make):
    await deploy(make(), "r1")
    swarm.keeps("sha256:" + "f" * 64, {}, tag="edge:2")
    await deploy(make(edge_image="edge:2"), "r2")
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


async def test_the_log_of_a_service_is_its_tasks_log(target):
    running = await deploy(target, "r1")
    assert "log of fpai-notes" in await target.log_tail(running.handle)


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
async def test_r3_a_refused_release_survives_the_loss_of_any_one_command_or_its_reply(swarm, target, lost):
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


async def test_a_lost_manager_is_transient(swarm, target):
    running = await deploy(target, "r1")
    swarm.nodes["alpha"].silent = True
    for ask in (target.find(release("r1")), target.alive(running.handle)):
        with pytest.raises(ExecutorError) as caught:
            await ask
        assert isinstance(caught.value, Transient)
