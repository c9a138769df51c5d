"""The images of releases: built by this machine's engine, brought to where they run, pruned."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
from executor.targets.image_context import checked_context
from executor.targets.image_shipping import Shipping, short

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
        self._shipping = Shipping(engine, places, registry=registry)
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
        return await self._named(image, release.droplet_name)

    async def shipped(self, image: Image, host: Docker, machine: Machine, doing: Doing) -> int:
        """Bring an image to the machine unless it has it; return how many bytes travelled.

        Raises Transient when the way there breaks; what has arrived is not sent again.
        """
        return await self._shipping.shipped(image, host, machine, doing)

    async def edge_shipped(self, ref: str, host: Docker, machine: Machine, doing: Doing) -> None:
        """Have the proxy's image on the machine: it is sent from here if it is here, else pulled there."""
        there, here = await host.image(ref), await self._engine.image(ref)
        if here is not None and (there is None or there.id == here.id):
            await self.shipped(here, host, machine, doing)
            return
        if there is not None:
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

        The newest one stays here: its layers are what makes the next build quick. What is left of archives of
        images that are gone goes too.
        """
        if host.machine is not self._engine.machine:
            await _remove(host, _unkept(await host.images({DROPLET: droplet}), keep))
        newest_first = await self._engine.images({DROPLET: droplet})
        await _remove(self._engine, _unkept(newest_first[1:], keep))
        await self._shipping.swept(host.machine)

    async def _of_release(self, release_id: str) -> Image | None:
        found = await self._engine.images({RELEASE: release_id})
        return found[0] if found else None

    async def _build(self, release: Release, doing: Doing) -> str:
        """Build and return the image's id."""
        dockerfile = await asyncio.to_thread(checked_context, release.source)
        await self._base(dockerfile.base, doing)
        doing.progress("building the image", 0.15)
        labels = {
            RELEASE: release.id,
            DROPLET: release.droplet_name,
            "fpai.build": release.build_id,
            "fpai.commit": release.commit,
            "fpai.version": release.version,
        }
        passing = f"{_passing(release.droplet_name)}{release.commit[:12]}"
        async with self._building:
            done = await self._engine.build(BuildSpec(str(release.source.absolute()), passing, labels))
        if done.code != 0:
            raise _build_error(done, release, self._engine.machine.name)
        image = await self._engine.image(passing)
        if image is None:
            raise Transient("The image was built and is not there.")
        doing.log(f"The image of release {release.id} is built, {image.size / 1e6:.0f} MB.")
        return image.id

    async def _named(self, image: Image, droplet: str) -> Image:
        """The image under the name of its content alone; an interrupted build may have left another."""
        name = f"fpai/{droplet}:{short(image)}"
        passing = [tag for tag in image.tags if tag.startswith(_passing(droplet))]
        if name in image.tags and not passing:
            return image
        await self._engine.tag(image.id, name)
        for tag in passing:
            await self._engine.remove_image(tag)
        others = (tag for tag in image.tags if tag != name and tag not in passing)
        return replace(image, tags=(name, *others))

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


def _passing(droplet: str) -> str:
    """How the tag begins that an image has until it has its own."""
    return f"fpai/{droplet}:building-"


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
