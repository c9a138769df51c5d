"""The Docker engine of one machine, through its docker command."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from executor.adapters.docker_argv import (
    BuildSpec,
    ContainerSpec,
    build_argv,
    containers_argv,
    images_argv,
    run_argv,
)
from executor.adapters.docker_errors import NOT_STARTABLE, docker_error
from executor.adapters.machine import Machine
from executor.adapters.programs import Finished
from executor.errors import Conflict, NotFound, Permanent, ReleaseAtFault

_IN_USE = re.compile(r"is using|being used|must be forced|dependent child")
_QUICK, _SLOW, _BUILD = 60.0, 600.0, 1800.0


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the engine sees it now. `addresses` are its IP addresses by network."""

    id: str
    name: str
    image_id: str
    running: bool
    status: str
    exit_code: int
    oom_killed: bool
    restarts: int
    labels: Mapping[str, str]
    started_at: str
    addresses: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Image:
    """An image; `layers` are the digests of its layers from the lowest one, `size` is in bytes.

    `digests` are the `REPOSITORY@sha256:…` under which image registries have it.
    """

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    labels: Mapping[str, str]
    layers: tuple[str, ...]
    size: int


class Docker:
    """`guard` goes before every command that changes something.

    Every method raises Transient while the machine or its engine does not answer, and Permanent when the
    engine is missing or refuses.
    """

    def __init__(self, machine: Machine, *, guard: Sequence[str] = ()) -> None:
        self.machine = machine
        self._guard = tuple(guard)

    def guarded(self, guard: Sequence[str]) -> Docker:
        """The same engine, changed only while the guard lets a command pass."""
        return Docker(self.machine, guard=guard)

    async def ready(self) -> str:
        """The engine's version, once it answers."""
        done = await self._asked(
            "Asking docker for its version", "version", "--format", "{{.Server.Version}}"
        )
        return done.strip()

    async def container(self, name: str) -> Container | None:
        """A container by name or id, None when there is none."""
        found = await self._inspected("container", [name])
        return _container(found[0]) if found else None

    async def containers(self, labels: Mapping[str, str]) -> list[Container]:
        """All containers with these labels, running or not."""
        ids = (await self._output("Listing containers", containers_argv(labels))).split()
        return [_container(item) for item in await self._inspected("container", ids)]

    async def image(self, ref: str) -> Image | None:
        """An image by tag or id, None when there is none."""
        found = await self._inspected("image", [ref])
        return _image(found[0]) if found else None

    async def images(self, labels: Mapping[str, str]) -> list[Image]:
        """All images with these labels, the newest first; every image when there are no labels."""
        ids = (await self._output("Listing images", images_argv(labels))).split()
        seen = await self._inspected("image", list(dict.fromkeys(ids)))
        # `docker image ls` orders by whole seconds only.
        return [_image(item) for item in sorted(seen, key=_created, reverse=True)]

    async def run(self, spec: ContainerSpec) -> None:
        """Make and start a container.

        Raises Conflict when the name is taken, NotFound for a lost image or network, Transient for a taken
        port or a full disk, ReleaseAtFault when the image's own command cannot be run: then the container is
        left behind.
        """
        try:
            await self._changed(f"Starting {spec.name}", run_argv(spec))
        except Permanent as error:
            if error.code == NOT_STARTABLE and spec.entrypoint is None:
                raise ReleaseAtFault(error.message, hint=error.hint, log=error.message) from error
            raise

    async def keep_running(self, name: str) -> None:
        """From now on the engine starts the container again whenever it has ended, and after a boot.

        `unless-stopped` would not do: an engine that was killed takes what ran for stopped by a person.
        """
        await self._changed(f"Keeping {name} running", ["docker", "update", "--restart", "always", name])

    async def stay_ended(self, name: str) -> None:
        """From now on the container stays ended once it has, also when the engine starts anew."""
        await self._changed(f"Letting go of {name}", ["docker", "update", "--restart", "no", name])

    async def start(self, name: str) -> None:
        """Start a container that was stopped."""
        await self._changed(f"Starting {name}", ["docker", "start", name])

    async def stop(self, name: str, seconds: int) -> None:
        """End a container, by force after so many seconds; it is not started again by the engine."""
        try:
            await self._changed(f"Stopping {name}", ["docker", "stop", "--time", str(seconds), name], _SLOW)
        except NotFound:
            return

    async def remove(self, name: str) -> None:
        """Remove a container, also a running one; its volumes stay. One that is gone is no error."""
        try:
            await self._changed(f"Removing {name}", ["docker", "rm", "--force", name])
        except NotFound:
            return

    async def kill(self, name: str, signal: str) -> None:
        """Send a signal to a container's first process."""
        await self._changed(f"Signalling {name}", ["docker", "kill", "--signal", signal, name])

    async def execute(self, name: str, argv: Sequence[str]) -> Finished:
        """Run a command inside a container; its exit code is the caller's to judge."""
        return await self.machine.run(["docker", "exec", name, *argv], timeout=_QUICK)

    async def logs(self, name: str, lines: int) -> str:
        """The last lines that a container printed on both streams, "" when it is gone."""
        argv = ["sh", "-c", 'exec docker logs --tail "$1" "$2" 2>&1', "fpai", str(lines), name]
        done = await self.machine.run(argv, timeout=_QUICK, limit=1 << 20)
        return done.stdout.decode("utf-8", "replace") if done.code == 0 else ""

    async def processes(self, name: str) -> int:
        """How many processes a container has, 0 when it does not run."""
        done = await self.machine.run(["docker", "top", name, "-o", "pid"], timeout=_QUICK)
        return max(0, len(done.stdout.split(b"\n")) - 2) if done.code == 0 else 0

    async def network(self, name: str) -> None:
        """Make a bridge network unless it is there."""
        if not await self._inspected("network", [name]):
            try:
                await self._changed(f"Making network {name}", ["docker", "network", "create", name])
            except Conflict:
                return

    async def load(self, path: str) -> None:
        """Load an archive of images that lies on that machine."""
        await self._changed("Loading the image", ["docker", "load", "--quiet", "--input", path], _SLOW)

    async def save(self, ref: str, path: str) -> None:
        """Write an image as an archive on that machine."""
        await self._changed("Saving the image", ["docker", "save", "--output", path, ref], _SLOW)

    async def tag(self, image: str, ref: str) -> None:
        """Give an image one more name."""
        await self._changed(f"Tagging {ref}", ["docker", "tag", image, ref])

    async def remove_image(self, ref: str) -> None:
        """Take a name or an image away; one that is gone or in use is no error."""
        done = await self.machine.run([*self._guard, "docker", "image", "rm", ref], timeout=_SLOW)
        if done.code != 0:
            error = docker_error(done, self.machine.name, f"Removing image {ref}")
            if not isinstance(error, NotFound) and not _IN_USE.search(done.error_text):
                raise error

    async def push(self, ref: str) -> None:
        """Send an image to the image registry that its name begins with."""
        await self._changed(f"Pushing {ref}", ["docker", "push", "--quiet", ref], _SLOW)

    async def pull(self, ref: str) -> None:
        """Fetch an image from the image registry that its name begins with."""
        await self._changed(f"Pulling {ref}", ["docker", "pull", "--quiet", ref], _SLOW)

    async def build(self, spec: BuildSpec) -> Finished:
        """Build an image; the caller judges how that ended, for it may be the droplet's fault."""
        argv = ["env", "DOCKER_BUILDKIT=0", *build_argv(spec)]
        return await self.machine.run([*self._guard, *argv], timeout=_BUILD, limit=1 << 20)

    async def _inspected(self, kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """What there is of these; those that are gone are left out."""
        if not names:
            return []
        argv = ["docker", kind, "inspect", *names]
        done = await self.machine.run(argv, timeout=_QUICK, limit=64 << 20)
        if done.code != 0:
            error = docker_error(done, self.machine.name, f"Looking at {kind} {names[0]}")
            if not isinstance(error, NotFound):
                raise error
        return _listed(done, self.machine.name)

    async def _asked(self, what: str, *words: str) -> str:
        return await self._output(what, ["docker", *words])

    async def _output(self, what: str, argv: Sequence[str]) -> str:
        done = await self.machine.run(argv, timeout=_QUICK)
        if done.code != 0:
            raise docker_error(done, self.machine.name, what)
        return done.stdout.decode("utf-8", "replace")

    async def _changed(self, what: str, argv: Sequence[str], timeout: float = _QUICK) -> None:
        done = await self.machine.run([*self._guard, *argv], timeout=timeout)
        if done.code != 0:
            raise docker_error(done, self.machine.name, what)


def _listed(done: Finished, machine: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(done.stdout or b"[]")
    except ValueError as error:
        raise Permanent(
            f"docker on {machine} answers something that is not JSON: {done.stdout[:200]!r}.",
            hint="Is `docker` there Docker's own command, of version 20.10 or newer?",
        ) from error
    return found if isinstance(found, list) else []


def _container(item: Mapping[str, Any]) -> Container:
    state = item["State"]
    networks = item["NetworkSettings"]["Networks"] or {}
    return Container(
        id=item["Id"],
        name=item["Name"].lstrip("/"),
        image_id=item["Image"],
        running=bool(state["Running"]) and not state.get("Restarting", False),
        status=state["Status"],
        exit_code=int(state["ExitCode"]),
        oom_killed=bool(state["OOMKilled"]),
        restarts=int(item.get("RestartCount", 0)),
        labels=item["Config"]["Labels"] or {},
        started_at=state["StartedAt"],
        addresses={name: net["IPAddress"] for name, net in networks.items() if net.get("IPAddress")},
    )


def _created(item: Mapping[str, Any]) -> str:
    return str(item.get("Created", "")).removesuffix("Z")


def _image(item: Mapping[str, Any]) -> Image:
    config = item.get("Config") or {}
    return Image(
        id=item["Id"],
        tags=tuple(tag for tag in item.get("RepoTags") or [] if tag != "<none>:<none>"),
        digests=tuple(item.get("RepoDigests") or []),
        labels=config.get("Labels") or {},
        layers=tuple(item["RootFS"].get("Layers") or []),
        size=int(item.get("Size", 0)),
    )
