"""The images of releases: built by this machine's engine, brought to where they run, pruned."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from executor.adapters.docker import Docker, Image
from executor.adapters.docker_argv import BuildSpec
from executor.adapters.docker_errors import docker_error
from executor.adapters.machine import Machine
from executor.adapters.programs import Finished
from executor.errors import Permanent, ReleaseAtFault, Transient
from executor.targets.base import Doing, Release
from executor.targets.container_names import DROPLET, RELEASE
from executor.targets.dockerfile import read_dockerfile
from executor.targets.image_archive import digest_of, known_layers, write_archive

_LOG_LINES = 60
_NETWORK = re.compile(
    r"temporary failure in name resolution|could not resolve|connection (refused|reset|timed out)"
    r"|read timed out|network is unreachable|max retries exceeded|tls handshake timeout"
    r"|service unavailable|too many requests",
    re.IGNORECASE,
)


class Images:
    """`engine` is this machine's, `places` a directory for archives on their way.

    With `registry` (`host[:port][/path]`) images go by way of that image registry, else straight to the
    machine, without the layers that it has.
    """

    def __init__(self, engine: Docker, places: Path, *, registry: str = "") -> None:
        self._engine = engine
        self._places = places
        self._registry = registry.rstrip("/")
        self._building = asyncio.Lock()

    async def built(self, release: Release, doing: Doing) -> Image:
        """The image of a release, found by its label or built now, and tagged by its content digest.

        Raises ReleaseAtFault for a Dockerfile that is not allowed or does not build, Transient while the
        engine or the package index does not answer, Permanent when the base image is nowhere.
        """

        async def probe() -> Mapping[str, Any] | None:
            found = await self._of_release(release.id)
            return {"image": found.id} if found else None

        async def act() -> Mapping[str, Any]:
            return {"image": await self._build(release, doing)}

        done = await doing.effect(f"image/{release.id}", probe=probe, act=act)
        image = await self._engine.image(str(done["image"])) or await self._of_release(release.id)
        if image is None:  # it was there once, and somebody has removed it since
            image = await self._engine.image(await self._build(release, doing))
        if image is None:
            raise Transient(f"The image of release {release.id} vanished while it was built.")
        return image

    async def shipped(self, image: Image, host: Docker, machine: Machine, doing: Doing) -> int:
        """Bring an image to the machine unless it has it; return how many bytes travelled.

        Raises Transient when the way there breaks; what has arrived is not sent again.
        """
        if machine is self._engine.machine or await host.image(image.id) is not None:
            return 0

        async def probe() -> Mapping[str, Any] | None:
            return {"bytes": 0} if await host.image(image.id) is not None else None

        async def act() -> Mapping[str, Any]:
            return {"bytes": await self._brought(image, host, machine, doing)}

        done = await doing.effect(f"ship/{image.id[7:27]}/{machine.name}", probe=probe, act=act)
        if await host.image(image.id) is None:  # known to have been shipped, yet gone
            return await self._brought(image, host, machine, doing)
        return int(done["bytes"])

    async def edge_shipped(self, ref: str, host: Docker, machine: Machine, doing: Doing) -> None:
        """Have the proxy's image on the machine: it is sent from here if it is here, else pulled there."""
        if await host.image(ref) is not None:
            return
        here = await self._engine.image(ref)
        if here is not None and machine is not self._engine.machine:
            await self.shipped(here, host, machine, doing)
            return
        doing.progress(f"fetching the proxy's image {ref}")
        try:
            await host.pull(ref)
        except Permanent as error:
            raise Permanent(
                f"The image of the edge proxy, {ref}, is neither here nor can {machine.name} fetch it.",
                hint=f"`docker pull {ref}` on this machine or that one, or name another in [deploy] edge.",
            ) from error

    async def pruned(self, host: Docker, droplet: str, keep: frozenset[str]) -> None:
        """Remove the droplet's images of releases that are not kept, there and here; used ones stay.

        The newest one stays here: its layers are what makes the next build quick.
        """
        if host.machine is not self._engine.machine:
            await _remove(host, _unkept(await host.images({DROPLET: droplet}), keep))
        newest_first = await self._engine.images({DROPLET: droplet})
        await _remove(self._engine, _unkept(newest_first[1:], keep))

    async def _of_release(self, release_id: str) -> Image | None:
        found = await self._engine.images({RELEASE: release_id})
        return found[0] if found else None

    async def _build(self, release: Release, doing: Doing) -> str:
        """Build, tag by content, and return the image's id."""
        dockerfile = await asyncio.to_thread(read_dockerfile, release.source)
        await self._base(dockerfile.base, doing)
        doing.progress("building the image", 0.15)
        labels = {
            RELEASE: release.id,
            DROPLET: release.droplet_name,
            "fpai.build": release.build_id,
            "fpai.commit": release.commit,
            "fpai.version": release.version,
        }
        name = f"fpai/{release.droplet_name}"
        passing = f"{name}:building-{release.commit[:12]}"
        async with self._building:
            done = await self._engine.build(BuildSpec(str(release.source), passing, labels))
        if done.code != 0:
            raise _build_error(done, release, self._engine.machine.name)
        image = await self._engine.image(passing)
        if image is None:
            raise Transient("The image was built and is not there.")
        await self._engine.tag(image.id, f"{name}:{image.id[7:27]}")
        await self._engine.remove_image(passing)
        doing.log(f"Image {name}:{image.id[7:27]} is built, {image.size >> 20} MB.")
        return image.id

    async def _base(self, ref: str, doing: Doing) -> None:
        if await self._engine.image(ref) is not None:
            return
        doing.progress(f"fetching the base image {ref}")
        try:
            await self._engine.pull(ref)
        except Permanent as error:
            raise Permanent(
                f"The base image {ref} is not on this machine and cannot be fetched, so nothing was built.",
                hint=f"Run `docker pull {ref}` where it can be reached, then `fpai retry`.",
            ) from error

    async def _brought(self, image: Image, host: Docker, machine: Machine, doing: Doing) -> int:
        if self._registry and image.labels.get(DROPLET):
            await self._by_registry(image, host, doing)
            return 0
        known = known_layers(image.layers, [other.layers for other in await host.images({})])
        sent = await self._sent(image, host, machine, doing, known)
        if await host.image(image.id) is None and known:
            # An engine whose store wants every layer in the file (containerd's) takes the whole image.
            sent += await self._sent(image, host, machine, doing, 0)
        if await host.image(image.id) is None:
            raise Transient(f"{machine.name} took the image and does not know it; it is sent again.")
        doing.log(f"{sent / 1e6:.1f} MB were sent to {machine.name}; it had {known} of the image's layers.")
        return sent

    async def _by_registry(self, image: Image, host: Docker, doing: Doing) -> None:
        ref = f"{self._registry}/fpai/{image.labels[DROPLET]}:{image.id[7:27]}"
        doing.progress(f"pushing the image to {self._registry}", 0.2)
        await self._engine.tag(image.id, ref)
        await self._engine.push(ref)
        doing.progress(f"pulling the image from {self._registry}", 0.25)
        await host.pull(ref)
        found = await host.image(ref)
        if found is None or found.id != image.id:
            raise Permanent(
                f"The image registry gave another image than the one that was pushed as {ref}.",
                hint="Nothing was started from it. Who else may push there?",
                code="IMAGE_CHANGED",
            )

    async def _sent(self, image: Image, host: Docker, machine: Machine, doing: Doing, known: int) -> int:
        doing.progress("packing the image", 0.2)
        archive = await self._archive(image, known)
        total = archive.stat().st_size
        path = f"{await machine.root()}/incoming/{archive.name}"

        def told(sent: int) -> None:
            text = f"sending the image: {sent / 1e6:.1f} of {total / 1e6:.1f} MB"
            doing.progress(text, 0.2 + 0.1 * sent / max(total, 1))

        sent = await machine.send(
            archive, path, sha256=await asyncio.to_thread(digest_of, archive), told=told
        )
        doing.progress("loading the image", 0.3)
        try:
            await host.load(path)
        except Permanent:
            if not known:
                raise
        finally:
            await machine.run(["rm", "-f", path])
        archive.unlink(missing_ok=True)
        return sent

    async def _archive(self, image: Image, known: int) -> Path:
        """The file to send; one that an interrupted transfer has left is the same to the last byte."""
        self._places.mkdir(parents=True, exist_ok=True)
        archive = self._places / f"{image.id[7:27]}-{known}.tar.gz"
        if archive.exists():
            return archive
        saved = self._places / f"{image.id[7:27]}.saved"
        await self._engine.save(image.tags[0] if image.tags else image.id, str(saved))
        await asyncio.to_thread(write_archive, saved, archive, without=known)
        saved.unlink(missing_ok=True)
        return archive


def _unkept(images: Sequence[Image], keep: frozenset[str]) -> list[Image]:
    return [image for image in images if image.labels.get(RELEASE, "") not in keep]


async def _remove(docker: Docker, images: Sequence[Image]) -> None:
    for image in images:
        for ref in image.tags or (image.id,):
            await docker.remove_image(ref)


def _build_error(done: Finished, release: Release, machine: str) -> Exception:
    """The droplet's fault, unless docker or a network is to blame."""
    said = f"{done.stdout.decode('utf-8', 'replace')}\n{done.error_text}".strip()
    sorted_out = docker_error(done, machine, "Building the image")
    if isinstance(sorted_out, Transient):
        return sorted_out
    if _NETWORK.search(said):
        return Transient(
            f"The image of release {release.id} could not be built: a download failed. {said[-300:]}",
            hint="The step is tried again by itself.",
        )
    return ReleaseAtFault(
        f"The image of release {release.id} does not build.",
        log="\n".join(said.splitlines()[-_LOG_LINES:]),
        hint="The build's output is attached.",
    )
