"""The fake host: a whole deploy runs against it, and what it refuses reads like Docker's own words."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from executor.adapters.docker import Docker
from executor.adapters.docker_argv import ContainerSpec
from executor.errors import Conflict, NotFound, ReleaseAtFault, Transient
from executor.targets.docker import DockerTarget
from tests.fakes.docker_engine import FakeEngine
from tests.fakes.host import FakeHost, fake_host
from tests.patience import PATIENCE
from tests.proof.scale import scaled
from tests.testbed.bed import BASE_IMAGE, EDGE_IMAGE
from tests.testbed.shipyard import deployed, deployed_in_the_end, docker_target, withdrawn
from tests.testbed.tiny import tiny_release

_BROKEN = ["exits", "hangs", "out of memory", "silent", "500", "wrong release"]


@pytest.fixture
async def host(tmp_path) -> AsyncIterator[FakeHost]:
    (tmp_path / "host").mkdir()
    async with fake_host(tmp_path / "host") as one:
        yield one
        await one.settled()


@pytest.fixture
async def here(tmp_path, monkeypatch) -> AsyncIterator[FakeEngine]:
    """This machine's engine, which builds; it has the base image and the proxy's."""
    async with FakeEngine(tmp_path / "here") as engine:
        engine.images.add(BASE_IMAGE)
        engine.images.add(EDGE_IMAGE)
        monkeypatch.setenv("PATH", f"{engine.bin}:/usr/local/bin:/usr/bin:/bin")
        yield engine


@pytest.fixture
async def make_target(host, here, tmp_path) -> AsyncIterator[Callable[[float], DockerTarget]]:
    """Makes targets that wait so many seconds for a release to be well."""
    async with AsyncExitStack() as opened:

        def make(deadline: float) -> DockerTarget:
            made = docker_target(host.machine(), tmp_path / "state", deadline=deadline)
            opened.push_async_callback(made.aclose)
            return made

        yield make


@pytest.fixture
def target(make_target) -> DockerTarget:
    return make_target(PATIENCE)


def up(host: FakeHost) -> list[str]:
    return sorted(c.labels["fpai.release"] for c in host.engine.containers.values()
                  if c.running and not c.is_edge)  # fmt: skip


async def test_a_droplet_is_deployed_replaced_and_withdrawn(target, host, tmp_path):
    one = await deployed(target, tiny_release(tmp_path, "r1"))
    assert up(host) == ["r1"]
    two = await deployed(target, tiny_release(tmp_path, "r2"), earlier=one)
    assert up(host) == ["r2"]
    edge = host.engine.containers["fpai-edge-tiny"]
    assert edge.served() == [two.handle["container"]]
    await withdrawn(target, "tiny")
    assert host.engine.containers == {}


async def test_an_image_is_sent_without_the_layers_that_the_host_has(target, host, here, tmp_path):
    await deployed(target, one := tiny_release(tmp_path, "r1"))
    sent = here.images.listed({"fpai.release": one.id})[0]
    assert host.engine.images.kept[sent.id].layers == sent.layers
    assert sum(act.startswith("load ") for act in host.engine.acts) == 2  # the proxy's is the other


@pytest.mark.parametrize("behaviour", _BROKEN[: scaled(3, len(_BROKEN))])
async def test_r4_a_broken_release_is_refused_and_the_one_before_goes_on(
    behaviour, target, make_target, host, tmp_path, ledger
):
    one = await deployed(target, tiny_release(tmp_path, "r1"))
    host.engine.behaviours["r2"] = behaviour
    with pytest.raises(ReleaseAtFault):
        await deployed(make_target(1.0), tiny_release(tmp_path, "r2"), earlier=one)
    assert up(host) == ["r1"]
    assert host.engine.containers["fpai-edge-tiny"].served() == [one.handle["container"]]
    ledger.tried("shapes of broken release on a host")


async def test_a_release_that_starts_slowly_is_waited_for(target, host, tmp_path):
    host.engine.behaviours["r1"] = "slow start"
    await deployed(target, tiny_release(tmp_path, "r1"))
    assert up(host) == ["r1"]


@pytest.mark.parametrize(
    "words",
    ["load --quiet", "network create", "run --detach", "update --restart always", "kill --signal",
     "update --restart no", "stop --time"],
)  # fmt: skip
async def test_r3_a_command_whose_answer_is_lost_is_not_done_twice(words, target, host, tmp_path, ledger):
    one = await deployed(target, tiny_release(tmp_path, "r1"))
    if "create" in words:
        await withdrawn(target, "tiny")
        host.engine.networks.clear()
        one = None
    before = len(host.engine.acts)
    host.engine.drop_reply(words)
    await deployed_in_the_end(target, tiny_release(tmp_path, "r2"), earlier=one)
    assert not host.engine.faults, "the command was never given"
    assert up(host) == ["r2"]
    done = [act for act in host.engine.acts[before:] if act.split()[0] in {"run", "load", "network", "stop"}]
    assert len(done) == len(set(done))
    root = host.home / ".fpai"
    assert not [path for path in root.rglob("*") if path.name in {"lock"} or path.suffix in {".part", ".gz"}]
    ledger.tried("lost replies of docker")


async def test_a_wire_that_is_cut_refuses_and_one_that_is_healed_answers(target, host, tmp_path):
    await deployed(target, tiny_release(tmp_path, "r1"))
    docker = Docker(host.machine())
    host.wire.cut()
    with pytest.raises(Transient):
        await docker.ready()
    host.wire.heal()
    assert await docker.ready() == "20.10.24"
    await docker.machine.aclose()


async def test_what_is_refused_reads_like_dockers_own_words(host):
    docker = Docker(host.machine())
    spec = ContainerSpec(name="a", image="base:1", network="net", labels={}, restart="no")
    with pytest.raises(NotFound, match="No such image: base:1"):
        await docker.run(spec)
    host.engine.images.add("base:1")
    with pytest.raises(NotFound, match="network net not found"):
        await docker.run(spec)
    await docker.network("net")
    with pytest.raises(Conflict, match='The container name "/a" is already in use'):
        await docker.run(spec)
    with pytest.raises(NotFound, match="No such container: gone"):
        await docker.start("gone")
    done = await docker.machine.run(["docker", "ps", "--frobnicate"])
    assert (done.code, done.stderr.splitlines()[0]) == (125, b"unknown flag: --frobnicate")
    done = await docker.machine.run(["docker", "swarm", "init"])
    assert done.code == 1
    await docker.machine.aclose()


async def test_a_command_that_is_to_fail_fails_once_and_changes_nothing(host):
    docker = Docker(host.machine())
    host.engine.fail("network create", 1, "Error response from daemon: no space left on device")
    with pytest.raises(Transient, match="no space left"):
        await docker.network("net")
    await docker.network("net")
    assert host.engine.acts == ["network net"]
    await docker.machine.aclose()


_ASKED = (
    "rm --force fpai-h2-none", "container inspect fpai-h2-none", "image inspect fpai-h2-none",
    "network inspect fpai-h2-none", "start fpai-h2-none", "kill --signal USR2 fpai-h2-none",
    "update --restart no fpai-h2-none", "exec fpai-h2-none true", "top fpai-h2-none -o pid",
    "logs --tail 1 fpai-h2-none", "image rm fpai-h2-none", "tag fpai-h2-none fpai-h2-none:2",
    "load --quiet --input /fpai-h2-none", "ps --frobnicate",
)  # fmt: skip


@pytest.mark.testbed
@pytest.mark.parametrize("words", _ASKED)
async def test_the_fake_answers_what_is_not_there_as_the_engine_here_does(words, host):
    """Only things that nobody has are asked for: nothing of this machine's engine is changed."""
    if shutil.which("docker") is None:
        pytest.skip("no docker command is installed")
    process = await asyncio.create_subprocess_exec(
        "docker", *words.split(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await process.communicate()
    if b"Cannot connect" in error:
        pytest.skip("no engine answers here")
    machine = host.machine()
    fake = await machine.run(["docker", *words.split()])
    await machine.aclose()
    assert (fake.code, fake.stdout, fake.stderr.splitlines()[:1]) == (
        process.returncode, out, error.splitlines()[:1]
    )  # fmt: skip
