"""The docker command of a real engine: what is there is told as it is, what is gone is no accident."""

from __future__ import annotations

import os
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.adapters.docker import Docker
from executor.adapters.docker_argv import ContainerSpec
from executor.adapters.local_machine import LocalMachine
from executor.adapters.programs import Finished
from executor.errors import Conflict, NotFound, Permanent, ReleaseAtFault, Transient
from tests.testbed.bed import BASE_IMAGE, docker_engine

pytestmark = [pytest.mark.testbed, pytest.mark.usefixtures(docker_engine.__name__)]
MARK = "fpai.test"


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    return Docker(LocalMachine(tmp_path))


@pytest.fixture
def name() -> Iterator[str]:
    """A name for this test's things, which are removed at its end."""
    made = f"fpai-test-{uuid.uuid4().hex[:8]}"
    yield made
    for kind, remove in (("container", ("rm", "-f")), ("image", ("image", "rm", "-f"))):
        words = ["docker", kind, "ls", "-q", "--filter", f"label={MARK}={made}"]
        words += ["-a"] if kind == "container" else []
        listed = subprocess.run(words, capture_output=True, text=True, check=False)
        if ids := list(dict.fromkeys(listed.stdout.split())):
            subprocess.run(["docker", *remove, *ids], capture_output=True, check=False)
    subprocess.run(["docker", "network", "rm", made], capture_output=True, check=False)


def spec(name: str, *command: str, **more: object) -> ContainerSpec:
    values = {"network": "bridge", "restart": "no", "stop_timeout": 1, "labels": {MARK: name}, **more}
    return ContainerSpec(name=name, image=BASE_IMAGE, command=command, **values)  # type: ignore[arg-type]


def imported(tag: str, mark: str, place: Path, content: str) -> None:
    """An image of one small file."""
    (place / "file").write_text(content)
    subprocess.run(["tar", "-cf", place / "image.tar", "-C", place, "file"], check=True)
    words = ["docker", "import", "--change", f"LABEL {MARK}={mark}", place / "image.tar", tag]
    subprocess.run(words, check=True, capture_output=True)


async def test_an_engine_that_answers_tells_its_version(docker):
    assert (await docker.ready())[0].isdigit()


async def test_a_container_is_told_from_its_start_to_its_end(docker, name):
    assert await docker.container(name) is None
    program = "echo out; echo err >&2; trap 'exit 7' TERM; sleep 30 & wait"
    await docker.run(spec(name, "sh", "-c", program, network="bridge"))
    found = await docker.container(name)
    assert (found.name, found.running, found.status, found.labels[MARK]) == (name, True, "running", name)
    assert found.image_id == (await docker.image(BASE_IMAGE)).id
    assert found.addresses["bridge"].count(".") == 3
    assert [one.id for one in await docker.containers({MARK: name})] == [found.id]
    assert await docker.containers({MARK: "another"}) == []
    assert await docker.processes(name) == 2
    assert (await docker.execute(name, ["sh", "-c", "exit 5"])).code == 5
    await docker.stop(name, 5)
    found = await docker.container(name)
    assert (found.running, found.status, found.exit_code, found.oom_killed) == (False, "exited", 7, False)
    assert sorted((await docker.logs(name, 10)).split()) == ["err", "out"]
    assert await docker.processes(name) == 0
    with pytest.raises(Transient, match="is not running"):
        await docker.kill(name, "USR2")
    await docker.start(name)
    assert (await docker.container(name)).running
    await docker.remove(name)
    assert await docker.container(name) is None


async def test_what_is_gone_already_can_be_ended_and_removed(docker, name):
    await docker.stop(name, 1)
    await docker.remove(name)
    await docker.remove_image(f"{name}:1")
    assert await docker.logs(name, 5) == ""
    with pytest.raises(NotFound):
        await docker.start(name)


async def test_a_name_that_is_taken_and_an_image_that_is_not_there_are_told_apart(docker, name):
    await docker.run(spec(name, "sleep", "30"))
    with pytest.raises(Conflict):
        await docker.run(spec(name, "sleep", "30"))
    gone = ContainerSpec(name=f"{name}-b", image="fpai-test/nosuch:1", network="bridge", labels={})
    with pytest.raises(NotFound):
        await docker.run(gone)


async def test_a_port_that_somebody_holds_is_known_by_its_code(docker, name):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        publish = (f"127.0.0.1:{held.getsockname()[1]}:80",)
        with pytest.raises(Transient) as taken:
            await docker.run(spec(name, "sleep", "30", publish=publish))
    assert taken.value.code == "PORT_TAKEN"


async def test_an_image_whose_own_command_is_missing_is_at_fault_and_a_command_of_ours_is_not(docker, name):
    with pytest.raises(ReleaseAtFault, match="cannot be run"):
        await docker.run(spec(name, "no-such-program"))
    await docker.remove(name)
    with pytest.raises(Permanent, match="cannot be run") as refused:
        await docker.run(spec(name, entrypoint="no-such-program"))
    assert type(refused.value) is Permanent


async def test_a_policy_of_restarts_can_be_changed_while_it_runs(docker, name):
    await docker.run(spec(name, "sleep", "30"))
    for change, policy in ((docker.keep_running, "always"), (docker.stay_ended, "no")):
        await change(name)
        form = "{{.HostConfig.RestartPolicy.Name}}"
        done = await docker.machine.run(["docker", "inspect", "--format", form, name])
        assert done.stdout.decode().strip() == policy


async def test_a_network_is_made_once(docker, name):
    await docker.network(name)
    await docker.network(name)
    listed = await docker.machine.run(["docker", "network", "ls", "-q", "--filter", f"name={name}"])
    assert len(listed.stdout.split()) == 1


async def test_images_are_listed_the_newest_first_with_what_they_hold(docker, name, tmp_path):
    for number in ("1", "2", "3"):
        imported(f"{name}:{number}", name, tmp_path, number)
    found = await docker.images({MARK: name})
    assert [image.tags for image in found] == [(f"{name}:3",), (f"{name}:2",), (f"{name}:1",)]
    assert len({image.layers for image in found}) == 3 and all(len(image.layers) == 1 for image in found)
    assert found[0] == await docker.image(f"{name}:3") == await docker.image(found[0].id)
    await docker.tag(found[0].id, f"{name}:again")
    assert set((await docker.image(f"{name}:3")).tags) == {f"{name}:3", f"{name}:again"}
    assert await docker.image(f"{name}:none") is None


async def test_an_image_that_a_container_runs_from_is_left_by_name_and_by_id(docker, name, tmp_path):
    (tmp_path / "Dockerfile").write_text(f'FROM {BASE_IMAGE}\nLABEL {MARK}={name}\nCMD ["sleep", "9"]\n')
    words = ["docker", "build", "-q", "-t", f"{name}:1", str(tmp_path)]
    subprocess.run(words, check=True, capture_output=True, env={**os.environ, "DOCKER_BUILDKIT": "0"})
    image = await docker.image(f"{name}:1")
    await docker.run(ContainerSpec(name, image.id, "bridge", {MARK: name}, restart="no"))
    await docker.remove_image(image.id)
    await docker.remove_image(f"{name}:1")
    assert await docker.image(image.id) is not None
    await docker.stop(name, 0)
    await docker.remove_image(image.id)
    assert await docker.image(image.id) is not None
    await docker.remove(name)
    for ref in (await docker.image(image.id)).tags or (image.id,):
        await docker.remove_image(ref)
    assert await docker.image(image.id) is None


async def test_an_image_goes_through_a_file(docker, name, tmp_path):
    imported(f"{name}:1", name, tmp_path, "saved")
    image = await docker.image(f"{name}:1")
    await docker.save(f"{name}:1", str(tmp_path / "saved"))
    await docker.remove_image(f"{name}:1")
    assert await docker.image(image.id) is None
    await docker.load(str(tmp_path / "saved"))
    assert await docker.image(image.id) == image
    (tmp_path / "saved").write_text("no image")
    with pytest.raises(Permanent):
        await docker.load(str(tmp_path / "saved"))


@pytest.mark.parametrize("where", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"])
async def test_an_engine_that_is_away_is_waited_for(where, docker, name, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", where)
    for asked in (docker.ready(), docker.container(name), docker.images({}), docker.stop(name, 1)):
        with pytest.raises(Transient, match="does not answer"):
            await asked


class Recording(LocalMachine):
    """Notes the commands, and does none."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.argv: list[list[str]] = []

    async def run(self, argv, **more) -> Finished:
        self.argv.append(list(argv))
        return Finished(0, b"[]", b"", 0)


async def test_a_guard_stands_before_every_command_that_changes_something_and_no_other(tmp_path):
    machine = Recording(tmp_path)
    docker = Docker(machine).guarded(["sh", "-c", "guard"])
    await docker.container("x")
    await docker.images({})
    await docker.containers({})
    await docker.logs("x", 1)
    await docker.processes("x")
    reads = len(machine.argv)
    assert not any("guard" in argv for argv in machine.argv)
    await docker.run(spec("x"))
    await docker.start("x")
    await docker.stop("x", 1)
    await docker.remove("x")
    await docker.kill("x", "USR2")
    await docker.keep_running("x")
    await docker.stay_ended("x")
    await docker.network("n")
    await docker.load("/x")
    await docker.tag("a", "b")
    await docker.remove_image("a")
    await docker.push("a")
    await docker.pull("a")
    changes = [argv for argv in machine.argv[reads:] if argv[1:3] != ["network", "inspect"]]
    assert len(changes) == 13 and all(argv[:4] == ["sh", "-c", "guard", "docker"] for argv in changes)
