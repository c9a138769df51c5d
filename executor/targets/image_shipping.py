"""Bringing an image to a machine: the layers that it lacks as an archive, or by way of an image registry."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from executor.adapters.docker import Docker, Image
from executor.adapters.machine import Machine
from executor.errors import Permanent, Transient
from executor.targets.base import Doing
from executor.targets.container_names import DROPLET, RELEASE
from executor.targets.image_archive import digest_of, known_layers, write_archive

# Removes the archives of images that are not named, and what is left of their transfers.
_REMOVE_OTHERS = """
cd "$1" 2>/dev/null || exit 0
shift
for file in image-*; do
    image=${file#image-}
    image=${image%%-*}
    kept=
    for name; do [ "$image" != "$name" ] || kept=1; done
    [ "$kept" ] || rm -f "$file"
done
"""


class Shipping:
    """`engine` is this machine's, `places` the directory for archives on their way."""

    def __init__(self, engine: Docker, places: Path, *, registry: str = "") -> None:
        self._engine = engine
        self._places = places.absolute()
        self._registry = registry.rstrip("/")
        self._under_way: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def shipped(self, image: Image, host: Docker, machine: Machine, doing: Doing) -> int:
        """Bring an image to the machine unless it has it; return how many bytes travelled.

        Raises Transient when the way there breaks; what has arrived is not sent again.
        """
        if machine is self._engine.machine:
            return 0

        async def probe() -> Mapping[str, Any] | None:
            if not await _has(host, image):
                return None
            await self._tidied(image, machine)
            return {"bytes": 0}

        sent = 0

        async def act() -> Mapping[str, Any]:
            nonlocal sent
            sent = await self._brought(image, host, machine, doing)
            return {"bytes": sent}

        await doing.effect(f"ship/{short(image)}/{machine.name}", probe=probe, act=act)
        if not await _has(host, image):  # known to have been shipped, yet gone
            return await self._brought(image, host, machine, doing)
        return sent

    async def swept(self, machine: Machine) -> None:
        """Remove archives, here and there, of images that this machine does not have any more."""
        words = [short(image) for image in await self._engine.images({})]
        here = self._engine.machine
        for place, where in ((machine, f"{await machine.root()}/incoming"), (here, str(self._places))):
            await place.run(["sh", "-c", _REMOVE_OTHERS, "fpai", where, *words])

    async def _tidied(self, image: Image, machine: Machine) -> None:
        """Remove what a transfer left whose last answer was lost."""
        name = f"image-{short(image)}-"
        await machine.run(["sh", "-c", 'rm -f "$1"*', "fpai", f"{await machine.root()}/incoming/{name}"])
        if image.id not in self._under_way:  # it is not being sent to another machine
            for archive in self._places.glob(f"{name}*"):
                archive.unlink(missing_ok=True)

    async def _brought(self, image: Image, host: Docker, machine: Machine, doing: Doing) -> int:
        # Two builds may want the same proxy's image on two machines: its archive is made and removed once.
        async with self._under_way.setdefault(image.id, asyncio.Lock()):
            if self._registry and image.labels.get(DROPLET):
                sent = await self._by_registry(image, host, doing)
            else:
                sent = await self._by_archive(image, host, machine, doing)
        if not await _has(host, image):
            raise Transient(f"{machine.name} took the image and does not know it; it is sent again.")
        return sent

    async def _by_archive(self, image: Image, host: Docker, machine: Machine, doing: Doing) -> int:
        known = known_layers(image.layers, [other.layers for other in await host.images({})])
        sent = await self._sent(image, host, machine, doing, known)
        if known and not await _has(host, image):
            # An engine whose store wants every layer in the file (containerd's) takes the whole image.
            known = 0
            sent += await self._sent(image, host, machine, doing, known)
        doing.log(f"{sent / 1e6:.1f} MB were sent to {machine.name}; it had {known} of the image's layers.")
        return sent

    async def _by_registry(self, image: Image, host: Docker, doing: Doing) -> int:
        """Push, and pull by the digest that this engine knows of what it pushed.

        Whatever else the registry gives for that digest, the engine there refuses.
        """
        repository = f"{self._registry}/fpai/{image.labels[DROPLET]}"
        ref = f"{repository}:{short(image)}"
        doing.progress(f"pushing the image to {self._registry}", 0.2)
        await self._engine.tag(image.id, ref)
        await self._engine.push(ref)
        pushed = await self._engine.image(ref)
        digests = pushed.digests if pushed is not None else ()
        pinned = next((digest for digest in digests if digest.startswith(f"{repository}@")), None)
        if pinned is None:
            raise Transient(f"The image {ref} was pushed, and docker does not tell under which digest.")
        doing.progress(f"pulling the image from {self._registry}", 0.25)
        await host.pull(pinned)
        await host.tag(pinned, ref)
        return 0

    async def _sent(self, image: Image, host: Docker, machine: Machine, doing: Doing, known: int) -> int:
        """Send and load one archive; an engine that refuses a part of an image is for the caller to see."""
        doing.progress("packing the image", 0.2)
        archive = await self._archive(image, known)
        total = archive.stat().st_size
        path = f"{await machine.root()}/incoming/{archive.name}"

        def told(sent: int) -> None:
            text = f"sending the image: {sent / 1e6:.1f} of {total / 1e6:.1f} MB"
            doing.progress(text, 0.2 + 0.1 * sent / max(total, 1))

        sha256 = await asyncio.to_thread(digest_of, archive)
        sent = await machine.send(archive, path, sha256=sha256, told=told)
        doing.progress("loading the image", 0.3)
        refused: Permanent | None = None
        try:
            await host.load(path)  # after a lost connection both files stay: nothing is sent twice
        except Permanent as error:
            refused = error
        archive.unlink(missing_ok=True)
        await machine.run(["rm", "-f", path])
        if refused is not None and not known:
            raise refused
        return sent

    async def _archive(self, image: Image, known: int) -> Path:
        """The file to send; one that an interrupted transfer has left is the same to the last byte."""
        archive = self._places / f"image-{short(image)}-{known}.tar.gz"
        if archive.exists():
            return archive
        saved = self._places / f"image-{short(image)}-saved"
        try:
            self._places.mkdir(parents=True, exist_ok=True)
            await self._engine.save(image.tags[0] if image.tags else image.id, str(saved))
            await asyncio.to_thread(write_archive, saved, archive, without=known)
        except OSError as error:
            raise Transient(
                f"The image cannot be packed in {self._places}: {error.strerror}.",
                hint="Free some space on this machine; the build goes on by itself.",
            ) from error
        finally:
            with suppress(OSError):
                saved.unlink()
        return archive


def short(image: Image) -> str:
    """The first digits of an image's id: they are in its tag and in the names of its archives."""
    return image.id.removeprefix("sha256:")[:20]


async def _has(host: Docker, image: Image) -> bool:
    """By its id, or by what it holds: engines with another store count ids in another way."""
    if await host.image(image.id) is not None:
        return True
    if release := image.labels.get(RELEASE):
        return any(_same(found, image) for found in await host.images({RELEASE: release}))
    named = [await host.image(tag) for tag in image.tags]
    return any(found is not None and _same(found, image) for found in named)


def _same(found: Image, image: Image) -> bool:
    return found.id == image.id or (found.layers == image.layers and found.labels == image.labels)
