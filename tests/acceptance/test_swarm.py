"""Target swarm on a real swarm of two hosts over SSH, while a hundred requests a second come to each edge."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from executor.adapters.docker import Docker
from executor.adapters.docker_swarm_argv import HealthPace, Rolling
from executor.adapters.local_machine import LocalMachine
from executor.errors import Permanent, ReleaseAtFault, Transient
from executor.targets.base import Running
from executor.targets.docker import ContainerBounds
from executor.targets.image import Images
from executor.targets.swarm import SwarmTarget
from executor.targets.swarm_names import edge_service_name, service_name
from tests.proof.scale import IN_FULL
from tests.testbed.bed import EDGE_IMAGE, BedHost, _brought_up, _script, docker_engine  # noqa: F401 - a fixture
from tests.testbed.poller import Poller
from tests.testbed.shipyard import Log, deployed
from tests.testbed.tiny import program, tiny_release

pytestmark = pytest.mark.testbed


@pytest.fixture(scope="module")
def hosts(docker_engine) -> Iterator[tuple[BedHost, BedHost]]:
    """Two hosts that are one swarm; the first is its manager."""
    first, second = _brought_up("swarm-a"), _brought_up("swarm-b")
    pair = next(first), next(second)
    _script("ssh-host", "exec", "swarm-a", "docker", "swarm", "init", "--advertise-addr", pair[0].address)
    token = _script("ssh-host", "exec", "swarm-a", "docker", "swarm", "join-token", "-q", "worker").strip()
    _script("ssh-host", "exec", "swarm-b", "docker", "swarm", "join", "--token", token, pair[0].address)
    yield pair
    for generator in (first, second):
        next(generator, None)


@pytest.fixture
async def target(hosts: tuple[BedHost, BedHost], tmp_path: Path) -> AsyncIterator[SwarmTarget]:
    machines = [host.machine() for host in hosts]
    made = SwarmTarget(
        machines[0],
        machines,
        Images(Docker(LocalMachine(tmp_path / "docker")), tmp_path / "images"),
        owner="executor-test",
        edge_image=EDGE_IMAGE,
        replicas=2,
        port_range=(23100, 23199),
        probes=2,
        deadline=20.0,
        bounds=ContainerBounds(memory_bytes=96 << 20, pids=64, grace=3),
        health=HealthPace(interval=1, timeout=8, retries=3, start_period=4),
        rolling=Rolling(monitor=2),
    )
    yield made
    await made.aclose()


@asynccontextmanager
async def droplet(target: SwarmTarget, name: str) -> AsyncIterator[str]:
    """A droplet that leaves nothing behind."""
    try:
        yield name
    finally:
        async with target.held(name, "clean"):
            await target.retire(name)
            await target.prune(name, frozenset())


def at(host: BedHost, running: Running) -> str:
    """The droplet's address at one of the machines."""
    return f"http://{host.address}:{running.handle['port']}"


async def nodes(manager: BedHost, state: str) -> list[str]:
    words = ("node", "ls", "--format", "{{.Hostname}} {{.Status}}")
    return [line.split()[0] for line in (await manager.docker(*words)).splitlines() if state in line]


async def shut_down(manager: BedHost, host: BedHost) -> None:
    """A power cut, and the swarm has noticed."""
    await host.poweroff()
    while host.name not in await nodes(manager, "Down"):
        await asyncio.sleep(0.5)


async def test_r4_a_rolling_update_over_two_hosts_costs_no_request_and_a_bad_one_is_rolled_back(
    target, hosts, tmp_path
):
    async with droplet(target, "roll") as name:
        log = Log()
        one = await deployed(target, tiny_release(tmp_path, "roll-1", droplet=name), log)
        edge = await hosts[0].docker("service", "inspect", edge_service_name(name))
        async with Poller(at(hosts[0], one)) as here, Poller(at(hosts[1], one)) as there:
            two = await deployed(target, tiny_release(tmp_path, "roll-2", droplet=name), log, earlier=one)
            broken = tiny_release(tmp_path, "roll-3", droplet=name, main="raise SystemExit('no table')")
            with pytest.raises(ReleaseAtFault) as fault:
                await deployed(target, broken, log, earlier=two)
            sick = program(answer="return self.say(500, {})")
            with pytest.raises(ReleaseAtFault):
                await deployed(target, tiny_release(tmp_path, "roll-4", droplet=name, main=sick), log, two)
            await asyncio.gather(here.more(200), there.more(200))
        assert here.failures == there.failures == []
        for poller in (here, there):
            assert set(poller.served) == {"roll-1", "roll-2"}
        assert "no table" in fault.value.log
        assert "Release roll-2 runs there" in fault.value.message
        assert await target.alive(two.handle)
        assert two.url == one.url == at(hosts[0], one)
        assert await hosts[0].docker("service", "inspect", edge_service_name(name)) == edge


@pytest.mark.sweep
@pytest.mark.skipif(not IN_FULL, reason="FPAI_SWEEP=all runs it: about 90 s")
async def test_a_host_that_loses_its_power_takes_no_request_with_it_and_none_from_the_next_release(
    target, hosts, tmp_path
):
    manager, other = hosts
    async with droplet(target, "power") as name:
        one = await deployed(target, tiny_release(tmp_path, "power-1", droplet=name))
        try:
            async with Poller(at(manager, one)) as poller:
                await other.poweroff()
                with pytest.raises(Transient, match="swarm-b does not answer"):
                    await deployed(target, tiny_release(tmp_path, "power-2", droplet=name), earlier=one)
                await shut_down(manager, other)
                log = Log()
                two = await deployed(target, tiny_release(tmp_path / "2", "power-2", droplet=name), log, one)
                await poller.more(200)
            assert poller.failures == []
            assert poller.served["power-2"] > 100
            assert any("left out: swarm-b" in line for line in log.lines)
        finally:
            await other.boot()
        while other.name not in await nodes(manager, "Ready"):
            await asyncio.sleep(0.5)
        three = await deployed(target, tiny_release(tmp_path, "power-3", droplet=name), earlier=two)
        async with Poller(at(other, three)) as poller:
            await poller.more(100)
        assert poller.failures == []
        assert set(poller.served) == {"power-3"}


async def test_a_release_that_stands_in_no_swarm_is_refused_and_one_that_ended_leaves_nothing(
    target, hosts, tmp_path
):
    async with droplet(target, "gone") as name:
        broken = tiny_release(tmp_path, "gone-1", droplet=name, main="raise SystemExit(3)")
        with pytest.raises(ReleaseAtFault, match="exit code 3"):
            await deployed(target, broken)
        for service in (service_name(name), edge_service_name(name)):
            assert await hosts[0].docker("service", "inspect", service) == ""
    kinds = ("service", "ls", "-q"), ("config", "ls", "-q"), ("network", "ls", "-q", "--filter", "name=fpai-")
    for words in kinds:
        assert await hosts[0].docker(*words) == ""
    worker = hosts[1].machine()
    images = Images(Docker(LocalMachine(tmp_path / "docker")), tmp_path / "images")
    options = {"replicas": 1, "port_range": (23100, 23199), "probes": 1, "deadline": 5.0}
    wrong = SwarmTarget(worker, [worker], images, owner="x", edge_image=EDGE_IMAGE, **options)
    with pytest.raises(Permanent, match="not a manager"):
        await deployed(wrong, tiny_release(tmp_path, "gone-2", droplet="gone"))
    await wrong.aclose()
