"""Bringing the image of a job to the nodes of a swarm.

A venv changes with the requirements only, so an image is made once on each node and serves many runs. The
nodes make it themselves out of one archive: nothing has to be built here, nor pushed to a registry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog

from executor.errors import Permanent, Transient
from executor.sandbox.docker_engine import engine_error
from executor.sandbox.remote import Ended, Remote
from executor.sandbox.swarm_archive import JobImage, write_archive
from executor.sandbox.swarm_argv import LABEL
from executor.sandbox.swarm_settle import OTHER_PYTHON

KEPT = 4
"""Images that are kept on each node; the oldest goes first."""
_BUILD_SECONDS = 600.0
_BUILD = (
    'docker build --quiet --network none --label "$3" --tag "$1" - < "$2" 2>&1; c=$?; rm -f "$2"; exit $c'
)
log = structlog.get_logger(__name__)


class JobImages:
    """Sees to it that nodes have an image. `place` is a directory for archives on their way."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._one = asyncio.Lock()
        self._writing = asyncio.Lock()

    async def brought(self, image: JobImage, nodes: Sequence[Remote]) -> list[Remote]:
        """Bring the image to every node that answers, and return those that have it.

        Raises Permanent for a node that can never have it, Transient when no node answers.
        """
        archive = self._place / f"{image.digest}.tar.gz"
        async with self._one:  # runs come in pairs, and both want the same one
            try:
                ended = await asyncio.gather(
                    *(self._ensured(node, image, archive) for node in nodes), return_exceptions=True
                )
            finally:
                archive.unlink(missing_ok=True)
        for node, how in zip(nodes, ended, strict=True):
            if isinstance(how, Transient):
                log.warning("job_node_left_out", node=node.name, reason=how.message)
            elif how is not None:
                raise how
        having = [node for node, how in zip(nodes, ended, strict=True) if how is None]
        if not having:
            raise Transient(
                "No node of the swarm answers, so no test can run there.", hint="Check the nodes."
            )
        return having

    async def _ensured(self, node: Remote, image: JobImage, archive: Path) -> None:
        if await _has(node, image.tag):
            return
        if not await _has(node, image.base):
            raise Permanent(
                f"The image {image.base} is not on {node.name}, and the tests run on top of it.",
                hint=f"Run there: docker pull {image.base}, or name another one in [sandbox] image.",
            )
        async with self._writing:
            digest = await asyncio.to_thread(write_archive, image, archive)
        path = f"{await node.root()}/incoming/{archive.name}"
        await node.send(archive, path, sha256=digest)
        words = ["sh", "-c", _BUILD, "fpai", image.tag, path, f"{LABEL}={image.label}"]
        built = await node.run(words, timeout=_BUILD_SECONDS)
        if built.code != 0:
            raise _not_built(node, image, built)
        await _prune(node, image)


async def _has(node: Remote, reference: str) -> bool:
    seen = await node.run(["docker", "image", "inspect", "--format", "{{.Id}}", reference])
    if seen.code == 0:
        return True
    words = seen.stderr.decode("utf-8", "replace")
    if "no such image" in words.lower():
        return False
    raise engine_error(f"on {node.name}: {words}")


def _not_built(node: Remote, image: JobImage, built: Ended) -> Exception:
    words = built.stdout.decode("utf-8", "replace").strip()
    if OTHER_PYTHON in words:
        why = next(line for line in words.splitlines() if OTHER_PYTHON in line).partition(OTHER_PYTHON)[2]
        return Permanent(
            f"The tests cannot run on {image.base}{why}.",
            hint="Name an image with the same minor version of Python in [sandbox] image.",
        )
    return engine_error(f"on {node.name}: {words}")


async def _prune(node: Remote, image: JobImage) -> None:
    """Remove the oldest images of this state directory; docker lists the newest first."""
    wanted = ["--filter", f"label={LABEL}={image.label}", "--format", "{{.Repository}}:{{.Tag}}"]
    listed = await node.run(["docker", "image", "ls", *wanted])
    old = [tag for tag in listed.stdout.decode().split() if "<none>" not in tag][KEPT:]
    if old:
        await node.run(["docker", "image", "rm", *old])  # one that a job still uses stays till the next time
