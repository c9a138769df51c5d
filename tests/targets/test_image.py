"""Images built once and shipped without what is there, against engines that fail and forget to answer."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from executor.adapters.docker import Docker, Image
from executor.adapters.local_machine import LocalMachine
from executor.errors import Permanent, ReleaseAtFault, Transient
from executor.targets.image import Images
from tests.fakes.docker_engine import FakeEngine
from tests.fakes.docker_images import FakeImage, FakeImages, Refused
from tests.fakes.host import FakeHost, fake_host
from tests.testbed.shipyard import Log
from tests.testbed.tiny import program, tiny_release

BASE, EDGE = "python:3.11-slim", "proxy:1"
AWAY = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeEngine]:
    """This machine's engine, which builds."""
    async with FakeEngine(tmp_path / "here") as engine:
        engine.images.add(BASE, layers=4)
        monkeypatch.setenv("PATH", f"{engine.bin}:/usr/local/bin:/usr/bin:/bin")
        yield engine


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[FakeHost]:
    async with fake_host(tmp_path / "host") as one:
        yield one
        await one.settled()


@pytest.fixture
def local(tmp_path: Path) -> LocalMachine:
    return LocalMachine(tmp_path / "local")


@pytest.fixture
def images(local: LocalMachine, here: FakeEngine, tmp_path: Path) -> Images:
    return Images(Docker(local), tmp_path / "places")


class Shipyard:
    """Ships to one host over a connection of its own."""

    def __init__(self, images: Images, host: FakeHost) -> None:
        self._images = images
        self.machine = host.machine()
        self.docker = Docker(self.machine)
        self.log = Log()

    async def ship(self, image: Image) -> int:
        return await self._images.shipped(image, self.docker, self.machine, self.log)

    async def incoming(self) -> list[str]:
        done = await self.machine.run(["ls", f"{await self.machine.root()}/incoming"])
        return done.stdout.decode().split()


@pytest.fixture
async def shipyard(images: Images, host: FakeHost) -> AsyncIterator[Shipyard]:
    made = Shipyard(images, host)
    yield made
    await made.machine.aclose()


def acts(engine: FakeEngine, word: str) -> int:
    return sum(act.startswith(f"{word} ") for act in engine.acts)


async def test_an_image_tells_its_release_and_is_tagged_by_its_content(images, here, tmp_path):
    release = tiny_release(tmp_path, "r1")
    image = await images.built(release, Log())
    assert image.tags == (f"fpai/tiny:{image.id[7:27]}",)
    assert here.images.kept[image.id].tags == list(image.tags)
    assert image.labels == {
        "fpai.release": "r1",
        "fpai.droplet": "tiny",
        "fpai.build": release.build_id,
        "fpai.commit": release.commit,
        "fpai.version": "0.1.0",
    }


async def test_r3_a_release_that_was_built_is_not_built_again(images, here, tmp_path):
    release = tiny_release(tmp_path, "r1")
    first = await images.built(release, Log())
    assert await images.built(release, Log()) == first
    assert acts(here, "build") == 1


async def test_r3_an_image_that_was_built_and_not_yet_named_is_adopted_and_named(
    images, here, tmp_path, ledger
):
    release = tiny_release(tmp_path, "r1")
    here.fail("tag sha256", 1, AWAY)
    with pytest.raises(Transient):
        await images.built(release, Log())
    assert "building" in next(iter(here.images.kept.values())).tags[0]
    image = await images.built(release, Log())
    assert here.images.kept[image.id].tags == [f"fpai/tiny:{image.id[7:27]}"] == list(image.tags)
    assert acts(here, "build") == 1
    ledger.tried("lost replies of docker")


async def test_r3_an_image_that_somebody_removed_is_built_again(images, here, tmp_path):
    release, log = tiny_release(tmp_path, "r1"), Log()
    image = await images.built(release, log)
    del here.images.kept[image.id]
    assert (await images.built(release, log)).id == image.id
    assert acts(here, "build") == 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("Dockerfile", f"FROM {BASE}\nRUN id\n", "line 2: RUN does only"),
        ("requirements.txt", "--index-url http://evil/\n", "not a plain package name"),
        ("requirements.txt", "./evil\n", "not a plain package name"),
        ("requirements.txt", "evil @ http://169.254.169.254/evil.whl\n", "not a plain package name"),
        ("requirements.txt", "#" * (300 << 10), "longer than 256 KiB"),
    ],
)
async def test_hostile_files_never_reach_docker(name, content, said, images, here, tmp_path):
    release = tiny_release(tmp_path, "r1")
    (release.source / name).write_text(content)
    with pytest.raises(ReleaseAtFault, match=said):
        await images.built(release, Log())
    assert acts(here, "build") == 0


@pytest.mark.parametrize("name", ["app/keys", ".dockerignore", "requirements.txt", "deep/down/link"])
async def test_a_link_in_the_repository_never_reaches_docker(name, images, here, tmp_path):
    release = tiny_release(tmp_path, "r1")
    link = release.source / name
    link.unlink(missing_ok=True)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to("/etc")
    with pytest.raises(ReleaseAtFault, match=f"'{name}' is a link"):
        await images.built(release, Log())
    assert acts(here, "build") == 0


async def test_a_build_that_fails_is_the_releases_fault_and_its_log_is_told(images, here, tmp_path):
    here.fail("build --quiet", 1, "Step 4\nERROR: No matching distribution found for nosuch==1")
    with pytest.raises(ReleaseAtFault) as refused:
        await images.built(tiny_release(tmp_path, "r1"), Log())
    assert "No matching distribution" in refused.value.log


@pytest.mark.parametrize(
    "said",
    [
        AWAY,
        "failed to copy files: write /srv/app/x: no space left on device",
        "[Errno -3] Temporary failure in name resolution\nERROR: No matching distribution found for x",
        "pip._vendor.urllib3.exceptions.ReadTimeoutError: Read timed out.",
    ],
)
async def test_a_build_that_meets_trouble_outside_of_the_release_is_tried_again(said, images, here, tmp_path):
    release = tiny_release(tmp_path, "r1")
    here.fail("build --quiet", 1, said)
    with pytest.raises(Transient):
        await images.built(release, Log())
    assert (await images.built(release, Log())).labels["fpai.release"] == "r1"


async def test_a_base_image_that_is_missing_is_pulled_and_else_the_command_is_told(images, here, tmp_path):
    release = tiny_release(tmp_path, "r1")
    here.images.remote[BASE] = here.images.kept.popitem()[1]
    assert (await images.built(release, Log())).labels["fpai.release"] == "r1"
    here.images.kept.clear()
    here.images.remote.clear()
    with pytest.raises(Permanent, match=f"Run `docker pull {BASE}`"):
        await images.built(release, Log())


async def test_an_image_travels_once_and_the_next_one_without_the_layers_that_are_there(
    images, shipyard, host, tmp_path
):
    one = await images.built(tiny_release(tmp_path, "r1"), Log())
    two = await images.built(tiny_release(tmp_path, "r2", main=program(before="two = 2")), Log())
    assert await shipyard.ship(one) > 0
    assert "it had 0 of the image's layers" in shipyard.log.lines[-1]
    assert await shipyard.ship(one) == 0
    assert await shipyard.ship(two) > 0
    assert "it had 4 of the image's layers" in shipyard.log.lines[-1]
    assert acts(host.engine, "load") == 2
    assert set(host.engine.images.kept) == {one.id, two.id}
    assert host.engine.images.kept[two.id].tags == list(two.tags)
    assert await shipyard.incoming() == [] and list((tmp_path / "places").iterdir()) == []
    assert any("MB" in action for action in shipyard.log.actions)


async def test_nothing_is_shipped_to_the_machine_that_built_it(images, local, here, tmp_path):
    image = await images.built(tiny_release(tmp_path, "r1"), Log())
    assert await images.shipped(image, Docker(local), local, Log()) == 0
    assert acts(here, "load") == 0


async def test_r3_an_image_whose_loading_was_not_answered_is_not_loaded_again(
    images, shipyard, host, tmp_path, ledger
):
    image = await images.built(tiny_release(tmp_path, "r1"), Log())
    host.engine.drop_reply("load --quiet")
    with pytest.raises(Transient):
        await shipyard.ship(image)
    await host.settled()
    assert await shipyard.ship(image) == 0
    assert acts(host.engine, "load") == 1
    assert await shipyard.incoming() == [] and list((tmp_path / "places").iterdir()) == []
    ledger.tried("lost replies of docker")


async def test_what_has_arrived_is_not_sent_again_when_the_engine_was_away(images, shipyard, host, tmp_path):
    image = await images.built(tiny_release(tmp_path, "r1"), Log())
    host.engine.fail("load --quiet", 1, AWAY)
    with pytest.raises(Transient):
        await shipyard.ship(image)
    assert len(await shipyard.incoming()) == 1
    assert await shipyard.ship(image) == 0
    assert acts(host.engine, "load") == 1
    assert await shipyard.incoming() == []


async def test_an_image_that_was_shipped_and_is_gone_is_sent_again(images, shipyard, host, tmp_path):
    image = await images.built(tiny_release(tmp_path, "r1"), Log())
    await shipyard.ship(image)
    host.engine.images.kept.clear()
    assert await shipyard.ship(image) > 0
    assert list(host.engine.images.kept) == [image.id]


async def test_an_archive_that_is_refused_whole_is_an_error_and_is_packed_anew(
    images, shipyard, host, tmp_path
):
    image = await images.built(tiny_release(tmp_path, "r1"), Log())
    host.engine.fail("load --quiet", 1, "invalid tar header")
    with pytest.raises(Permanent, match="invalid tar header"):
        await shipyard.ship(image)
    assert list((tmp_path / "places").iterdir()) == [] and await shipyard.incoming() == []
    assert await shipyard.ship(image) > 0


class OtherImage(FakeImage):
    """An image of a store that counts ids in another way, as containerd's does."""

    @property
    def id(self) -> str:
        return f"sha256:c0{super().id[9:]}"


class WholeImages(FakeImages):
    """A store that takes an image only with all of its layers in the file."""

    def load(self, path: Path) -> FakeImage:
        with tarfile.open(path) as archive:
            manifest = json.load(archive.extractfile("manifest.json"))[0]
            for name in manifest["Layers"]:
                if name not in archive.getnames():
                    raise Refused(f"unpacking failed: content digest sha256:{name}: not found")
            config = json.load(archive.extractfile(manifest["Config"]))
        made = OtherImage(config["config"]["Labels"], config["rootfs"]["diff_ids"])
        for name in manifest["RepoTags"]:
            made = self._kept(made, name)
        return made


async def test_an_engine_with_another_store_takes_the_whole_image_and_knows_it_by_what_it_holds(
    images, shipyard, host, here, tmp_path
):
    host.engine.images = WholeImages()
    here.images.add(EDGE)
    one = await images.built(tiny_release(tmp_path, "r1"), Log())
    two = await images.built(tiny_release(tmp_path, "r2", main=program(before="two = 2")), Log())
    for image in (one, two):
        assert await shipyard.ship(image) > 0
        assert await shipyard.ship(image) == 0
    assert "it had 0 of the image's layers" in shipyard.log.lines[-1]
    assert len(host.engine.images.kept) == 2 and not {one.id, two.id} & set(host.engine.images.kept)
    edge = await Docker(LocalMachine(tmp_path)).image(EDGE)
    assert await shipyard.ship(edge) > 0 and await shipyard.ship(edge) == 0


async def test_an_image_of_the_same_release_that_holds_something_else_is_not_taken_for_it(
    images, shipyard, host, tmp_path
):
    image = await images.built(tiny_release(tmp_path, "r1"), Log())
    host.engine.images.add("other:1", dict(image.labels))
    assert await shipyard.ship(image) > 0
    assert image.id in host.engine.images.kept


async def test_two_builds_send_the_proxys_image_to_two_machines_at_once(images, here, tmp_path):
    here.images.add(EDGE)
    async with fake_host(tmp_path / "one") as one, fake_host(tmp_path / "two") as two:
        machines = [one.machine(), two.machine()]
        shipping = (images.edge_shipped(EDGE, Docker(m), m, Log()) for m in machines)
        await asyncio.gather(*shipping)
        assert [list(host.engine.images.kept) for host in (one, two)] == [list(here.images.kept)[:1]] * 2
        assert list((tmp_path / "places").iterdir()) == []
        for machine in machines:
            await machine.aclose()


async def test_the_proxys_image_is_pulled_there_when_it_is_not_here(images, shipyard, host):
    host.engine.images.remote[EDGE] = FakeImage({}, ["sha256:e"])
    await images.edge_shipped(EDGE, shipyard.docker, shipyard.machine, shipyard.log)
    assert acts(host.engine, "pull") == 1
    with pytest.raises(Permanent, match="neither here nor can"):
        await images.edge_shipped("proxy:2", shipyard.docker, shipyard.machine, shipyard.log)


async def test_what_is_not_kept_is_removed_there_and_here_but_the_newest_here(
    images, shipyard, host, here, tmp_path
):
    built = {}
    for name in ("r1", "r2", "r3", "r4"):
        main = program(before=f"name = {name!r}")
        built[name] = await images.built(tiny_release(tmp_path, name, main=main), Log())
        await shipyard.ship(built[name])
    other = await images.built(tiny_release(tmp_path, "o1", droplet="other"), Log())
    gone, kept = built["r1"], built["r2"]
    for image in (gone, kept):  # what interrupted transfers have left
        name = f"image-{image.id[7:27]}-0.tar.gz"
        (tmp_path / "places" / name).write_text("x")
        await shipyard.machine.write(f"{await shipyard.machine.root()}/incoming/{name}.part", b"x")
    await images.pruned(shipyard.docker, "tiny", frozenset({"r2"}))
    assert set(host.engine.images.kept) == {built["r2"].id}
    ours = {image.id for image in here.images.kept.values() if image.labels}
    assert ours == {built["r2"].id, built["r4"].id, other.id}
    assert [path.name for path in (tmp_path / "places").iterdir()] == [f"image-{kept.id[7:27]}-0.tar.gz"]
    assert await shipyard.incoming() == [f"image-{kept.id[7:27]}-0.tar.gz.part"]


async def test_an_image_that_a_container_uses_is_left(images, shipyard, host, tmp_path):
    image = await images.built(tiny_release(tmp_path, "r1"), Log())
    await shipyard.ship(image)
    await shipyard.machine.run(["docker", "network", "create", "fpai"])
    words = ["--detach", "--name", "used", "--network", "fpai", "--restart", "no", "--entrypoint", "haproxy"]
    await shipyard.machine.run(["docker", "run", *words, image.id])
    assert list(host.engine.containers) == ["used"]
    await images.pruned(shipyard.docker, "tiny", frozenset())
    assert list(host.engine.images.kept) == [image.id]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk that is full")
async def test_a_full_disk_here_while_an_image_is_packed_is_waited_out(images, shipyard, here, tmp_path):
    image = await images.built(tiny_release(tmp_path, "r1"), Log())
    here.fail("save --output", 1, "write /x: no space left on device")
    with pytest.raises(Transient, match="no space left"):
        await shipyard.ship(image)
    # A disk with room for its root and one file: what docker saves fits, the archive does not.
    mount = ["mount", "-t", "tmpfs", "-o", "nr_inodes=2", "tmpfs", str(tmp_path / "places")]
    subprocess.run(mount, check=True)
    try:
        with pytest.raises(Transient, match=r"cannot be packed in .*No space left"):
            await shipyard.ship(image)
        assert list((tmp_path / "places").iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmp_path / "places")], check=True)
    assert await shipyard.ship(image) > 0
