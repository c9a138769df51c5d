"""Images with real engines: the template builds, little travels, and an image registry is not believed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from executor.adapters.docker import Docker, Image
from executor.adapters.local_machine import LocalMachine
from executor.adapters.ssh import SshMachine
from executor.agent.template import render_template
from executor.domain.droplet import DropletIdentity
from executor.errors import ExecutorError
from executor.targets.base import Release
from executor.targets.image import Images
from tests.fakes.image_registry import FakeImageRegistry
from tests.patience import PATIENCE
from tests.testbed.bed import BedHost, alpha, docker_engine  # noqa: F401 - fixtures
from tests.testbed.shipyard import Log

pytestmark = pytest.mark.testbed


@dataclass
class Yard:
    """This machine's engine and a host's; `droplet` is a name that only this test uses."""

    droplet: str
    here: Docker
    there: Docker
    machine: SshMachine
    places: Path

    def images(self, registry: str = "") -> Images:
        return Images(self.here, self.places, registry=registry)

    async def gone(self, docker: Docker) -> None:
        for image in await docker.images({"fpai.droplet": self.droplet}):
            for ref in image.tags or (image.id,):
                await docker.remove_image(ref)


@pytest.fixture
async def yard(alpha: BedHost, tmp_path: Path) -> AsyncIterator[Yard]:
    here, machine = Docker(LocalMachine(tmp_path / "here")), alpha.machine()
    made = Yard(f"shelf-{uuid.uuid4().hex[:6]}", here, Docker(machine), machine, tmp_path / "places")
    yield made
    await made.gone(made.here)
    await made.gone(made.there)
    await machine.aclose()


def release(yard: Yard, source: Path, name: str) -> Release:
    identity = DropletIdentity(id=7, name=yard.droplet, version="0.1.0", purpose="Keeps books.", port=8007)
    render_template(identity, created="2026-01-01", into=source)
    return Release(
        id=f"{yard.droplet}-{name}",
        build_id="build-1",
        droplet_id=7,
        droplet_name=yard.droplet,
        version="0.1.0",
        commit=name.encode().hex().ljust(12, "0"),
        source=source,
        requirements=source / "requirements.txt",
    )


async def test_the_template_is_built_once_and_a_change_of_one_file_is_some_kilobytes(yard, tmp_path):
    images, log = yard.images(), Log()
    first = release(yard, tmp_path / "one", "r1")
    one = await images.built(first, log)
    assert await images.built(first, Log()) == one
    assert {
        "fpai.release": first.id,
        "droplet.id": "7",
        "droplet.name": yard.droplet,
    }.items() <= one.labels.items()
    second = release(yard, tmp_path / "two", "r2")
    (second.source / "app" / "more.py").write_text('"""More."""\n')
    two = await images.built(second, Log())
    assert two.id != one.id and one.layers[:-1] == two.layers[:-1]
    await images.shipped(one, yard.there, yard.machine, log)
    thin = await images.shipped(two, yard.there, yard.machine, Log())
    assert 0 < thin < 200_000
    assert await images.shipped(two, yard.there, yard.machine, Log()) == 0
    assert {image.id for image in await yard.there.images({"fpai.droplet": yard.droplet})} == {one.id, two.id}
    asked = [
        "docker",
        "run",
        "--rm",
        "--network",
        "none",
        two.id,
        "python",
        "-c",
        "import app.more, fastapi, os; print(os.getuid())",
    ]
    done = await yard.machine.run(asked)
    assert done.stdout == b"10001\n", done.error_text
    await images.pruned(yard.there, yard.droplet, frozenset({second.id}))
    for engine in (yard.here, yard.there):
        assert [image.id for image in await engine.images({"fpai.droplet": yard.droplet})] == [two.id]


async def small_image(yard: Yard, place: Path, name: str) -> Image:
    """An image of one file, with the labels that a build gives."""
    (place / "file").write_text(name)
    subprocess.run(["tar", "-cf", place / "image.tar", "-C", place, "file"], check=True)
    label = f"LABEL fpai.droplet={yard.droplet} fpai.release={yard.droplet}-{name}"
    words = ["docker", "import", "--change", label, place / "image.tar", f"fpai/{yard.droplet}:{name}"]
    subprocess.run(words, check=True, capture_output=True)
    made = await yard.here.image(f"fpai/{yard.droplet}:{name}")
    assert made is not None
    return made


@contextlib.asynccontextmanager
async def led_to(host: BedHost, port: int) -> AsyncIterator[None]:
    """On the host, loopback's `port` leads to this machine's: docker needs no certificate for loopback."""
    words = [
        "ssh", "-N", "-R", f"127.0.0.1:{port}:127.0.0.1:{port}", "-i", host.key, "-p", str(host.port),
        "-o", f"UserKnownHostsFile={host.known_hosts}", "-o", "ExitOnForwardFailure=yes",
        "-o", "BatchMode=yes", f"{host.user}@{host.address}",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(*words)
    try:
        async with asyncio.timeout(PATIENCE):
            while f":{port} " not in await host._do("exec", "ss", "-ltn"):
                await asyncio.sleep(0.1)
        yield
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def registry(alpha: BedHost) -> AsyncIterator[FakeImageRegistry]:
    async with FakeImageRegistry() as made, led_to(alpha, made.port):
        yield made


async def test_an_image_goes_by_way_of_the_image_registry_and_is_the_same_there(yard, registry, tmp_path):
    images = yard.images(f"{registry.address}/team/")
    image = await small_image(yard, tmp_path, "r1")
    assert await images.shipped(image, yard.there, yard.machine, Log()) == 0
    found = await yard.there.image(image.id)
    assert found.labels == image.labels
    assert found.tags == (f"{registry.address}/team/fpai/{yard.droplet}:{image.id[7:27]}",)
    asked = len(registry.requests)
    await images.shipped(image, yard.there, yard.machine, Log())
    assert len(registry.requests) == asked
    await images.pruned(yard.there, yard.droplet, frozenset())
    assert await yard.there.image(image.id) is None


async def test_what_somebody_else_pushed_under_the_same_tag_is_never_pulled(yard, registry, tmp_path):
    evil = await small_image(yard, tmp_path, "evil")
    image = await small_image(yard, tmp_path, "r1")
    images, log = yard.images(registry.address), Log()
    await yard.here.tag(evil.id, f"{registry.address}/evil:1")
    await yard.here.push(f"{registry.address}/evil:1")
    theirs = registry.manifests["evil:1"]

    class Swapping(dict):
        """Whatever is put here by tag becomes theirs."""

        def __setitem__(self, key, value):
            super().__setitem__(key, value if "@" in key else theirs)

    registry.manifests = Swapping(registry.manifests)
    await images.shipped(image, yard.there, yard.machine, log)
    ours = f"fpai/{yard.droplet}:{image.id[7:27]}"
    assert json.loads(registry.manifests[ours][1])["config"]["digest"] == evil.id
    assert (await yard.there.image(image.id)).labels == image.labels
    assert await yard.there.image(evil.id) is None


async def test_a_registry_that_gives_something_else_for_a_digest_is_refused(yard, registry, tmp_path):
    evil = await small_image(yard, tmp_path, "evil")
    image = await small_image(yard, tmp_path, "r1")
    await yard.here.tag(evil.id, f"{registry.address}/evil:1")
    await yard.here.push(f"{registry.address}/evil:1")
    theirs = registry.manifests["evil:1"]

    class Lying(dict):
        def get(self, key, default=None):
            return theirs if key in self else default

    registry.manifests = Lying(registry.manifests)
    with pytest.raises(ExecutorError):
        await yard.images(registry.address).shipped(image, yard.there, yard.machine, Log())
    assert await yard.there.images({"fpai.droplet": yard.droplet}) == []
