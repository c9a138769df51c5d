"""A docker engine that behaves, in this event loop; others talk to it by a `docker` command.

It knows the commands and options that the product uses, as Docker 20.10 does them, and refuses every other
one, so that nothing passes by accident. A command takes effect before it is answered.
"""

from __future__ import annotations

import copy
import hashlib
import json
import random
import uuid
from pathlib import Path
from typing import Any

from tests.fakes.docker_command import DockerCommand
from tests.fakes.docker_containers import FakeContainer, Life
from tests.fakes.docker_images import FakeImage, FakeImages, Refused
from tests.fakes.docker_words import environment, inspected, labels, pairs

_NOT_THERE = "Error response from daemon: No such container: {}"


class FakeEngine(DockerCommand):
    """An async context manager. `bin` is a directory for a PATH, with the `docker` command of this engine.

    `behaviours` are what releases do (see docker_containers.Life), by the beginning of a release id; `acts`
    lists every change that was made, in order; `lose_replies` is called when an answer is to be lost.
    """

    def __init__(self, where: Path) -> None:
        super().__init__(where)
        self.images = FakeImages()
        self.containers: dict[str, FakeContainer] = {}
        self.networks: set[str] = set()
        self.acts: list[str] = []
        self.behaviours: dict[str, str] = {}
        self._lives: dict[str, Life] = {}
        self._subnet = f"127.{random.randint(64, 254)}.{random.randint(0, 254)}"

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        await self._stop_all()

    def state(self) -> dict[str, Any]:
        """Everything it has, as a copy."""
        kept = (self.images, self.containers, self.networks, self.acts)
        return dict(zip(("images", "containers", "networks", "acts"), copy.deepcopy(kept), strict=True))

    async def restore(self, state: dict[str, Any]) -> None:
        """Be as it was: what ran then runs again."""
        await self._stop_all()
        self.faults.clear()
        for name, value in copy.deepcopy(state).items():
            setattr(self, name, value)
        for container in self.containers.values():
            if container.running:
                await self._live(container)

    async def _stop_all(self) -> None:
        for life in list(self._lives.values()):
            await life.stop()
        self._lives.clear()

    # What runs

    async def _run(self, given: dict[str, list[str]], rest: list[str]) -> str:
        name, network = given["name"][0], given["network"][0]
        if name in self.containers:
            raise _of_run(
                f'Conflict. The container name "/{name}" is already in use by container'
                f' "{self.containers[name].id}". You have to remove (or rename) that container to be able'
                " to reuse that name."
            )
        image = self.images.find(rest[0])
        if image is None:
            raise _of_run(f"No such image: {rest[0]}")
        made = FakeContainer(
            id=hashlib.sha256(uuid.uuid4().bytes).hexdigest(),
            name=name,
            image_id=image.id,
            labels={**image.labels, **pairs(given.get("label", []))},
            env=environment(given.get("env-file", [])),
            network=network,
            restart=given["restart"][0],
            entrypoint=given.get("entrypoint", [""])[0],
            publish=given.get("publish", []),
            mounts={to: source for source, to, *_ in (v.split(":") for v in given.get("volume", []))},
        )
        self.containers[name] = made
        if network not in self.networks:
            raise _of_run(f"network {network} not found")
        await self._begin(made, "run")
        return made.id

    async def _begin(self, container: FakeContainer, act: str) -> None:
        taken = {other.address for other in self.containers.values()}
        free = (f"{self._subnet}.{number}" for number in range(2, 255))
        container.address = container.address or next(one for one in free if one not in taken)
        container.status, container.started = "running", container.started + 1
        container.exit_code, container.oom_killed = 0, False
        if container.is_edge and not self._loads(container):
            return
        try:
            await self._live(container)
        except OSError as error:
            container.status = "created"
            text = f"Bind for {container.publish[0].rpartition(':')[0]} failed: port is already allocated"
            endpoint = f"driver failed programming external connectivity on endpoint {container.name}"
            raise _of_run(f"{endpoint} ({container.id}): {text}") from error
        self.acts.append(f"{act} {container.name}")

    async def _live(self, container: FakeContainer) -> None:
        release = container.env.get("RELEASE_ID", "")
        behaviour = next((b for start, b in self.behaviours.items() if release.startswith(start)), "healthy")
        self._lives[container.name] = Life(
            container, "healthy" if container.is_edge else behaviour, self._ended, self.containers.get
        )
        await self._lives[container.name].begin()

    def _loads(self, edge: FakeContainer) -> bool:
        """The proxy reads its configuration; without one that it can read it ends."""
        path = Path(edge.mounts["/etc/fpai-edge"], "haproxy.cfg")
        edge.loaded = path.read_text() if path.exists() else ""
        if edge.served():
            return True
        edge.status, edge.exit_code = "exited", 1
        edge.log.append("[ALERT] : config : Proxy 'release' has no server; config has errors.")
        return False

    def _ended(self, container: FakeContainer) -> None:
        """A container that is to run always is started again, and ends again."""
        if container.restart == "always":
            container.restarts += 1
            container.status = "restarting"

    async def _halt(self, container: FakeContainer, code: int) -> None:
        life = self._lives.pop(container.name, None)
        if life is not None:
            await life.stop()
        if container.running or container.status == "restarting":
            container.status, container.exit_code = "exited", code

    async def _start(self, given: dict[str, list[str]], rest: list[str]) -> str:
        container = self._the(rest[0])
        if not container.running:
            await self._begin(container, "start")
        return rest[0]

    async def _stop(self, given: dict[str, list[str]], rest: list[str]) -> str:
        container = self._the(rest[0])
        if container.running:
            await self._halt(container, 0)
            self.acts.append(f"stop {container.name}")
        return rest[0]

    async def _rm(self, given: dict[str, list[str]], rest: list[str]) -> str:
        container = self.containers.get(rest[0])
        if container is None:
            raise Refused(_NOT_THERE.format(rest[0]), 0 if "force" in given else 1)
        if container.running and "force" not in given:
            raise Refused(f"Error response from daemon: cannot remove container {rest[0]}: running")
        await self._halt(container, 137)
        del self.containers[container.name]
        self.acts.append(f"rm {container.name}")
        return rest[0]

    async def _kill(self, given: dict[str, list[str]], rest: list[str]) -> str:
        container = self._the(rest[0], f"Error response from daemon: Cannot kill container: {{0}}: {_NC}")
        if not container.running:
            raise Refused(
                f"Error response from daemon: Cannot kill container: {rest[0]}: Container {container.id}"
                " is not running"
            )
        if given["signal"] == ["USR2"] and container.is_edge and not self._loads(container):
            await self._halt(container, 1)
        self.acts.append(f"kill {given['signal'][0]} {container.name}")
        return rest[0]

    async def _update(self, given: dict[str, list[str]], rest: list[str]) -> str:
        self._the(rest[0]).restart = given["restart"][0]
        return rest[0]

    async def _exec(self, given: dict[str, list[str]], rest: list[str]) -> str:
        container = self._the(rest[0])
        if not container.running:
            raise Refused(f"Error response from daemon: Container {container.id} is not running")
        if rest[1:4] == ["haproxy", "-c", "-f"]:
            return ""
        if rest[1:3] == ["python", "-c"]:
            raise Refused("urllib.error.URLError: <urlopen error timed out>")
        raise Refused(f'OCI runtime exec failed: exec failed: "{rest[1]}": executable file not found', 126)

    async def _logs(self, given: dict[str, list[str]], rest: list[str]) -> str:
        lines = [line for text in self._the(rest[0]).log for line in text.splitlines()]
        return "\n".join(lines[-int(given["tail"][0]) :])

    async def _top(self, given: dict[str, list[str]], rest: list[str]) -> str:
        container = self._the(rest[0])
        if not container.running:
            raise Refused(f"Error response from daemon: Container {container.id} is not running")
        return "PID\n101\n102" if container.is_edge else "PID\n101"

    async def _ps(self, given: dict[str, list[str]], rest: list[str]) -> str:
        wanted = labels(given)
        found = [c for c in self.containers.values() if wanted.items() <= c.labels.items()]
        return "\n".join(c.id for c in found if c.running or "all" in given)

    async def _container_inspect(self, given: dict[str, list[str]], rest: list[str]) -> str:
        by_id = {container.id: container for container in self.containers.values()}
        return inspected([self.containers.get(n) or by_id.get(n) for n in rest], rest, _NOT_THERE)

    # Images and networks

    async def _image_inspect(self, given: dict[str, list[str]], rest: list[str]) -> str:
        text = "Error response from daemon: no such image: {0}: No such image: {0}:latest"
        return inspected([self.images.find(name) for name in rest], rest, text)

    async def _image_ls(self, given: dict[str, list[str]], rest: list[str]) -> str:
        return "\n".join(image.id for image in self.images.listed(labels(given)))

    async def _image_rm(self, given: dict[str, list[str]], rest: list[str]) -> str:
        users = [(c.id, c.image_id, c.running) for c in self.containers.values()]
        self.images.remove(rest[0], users)
        self.acts.append(f"image rm {rest[0]}")
        return f"Untagged: {rest[0]}"

    async def _build(self, given: dict[str, list[str]], rest: list[str]) -> str:
        image = self.images.build(Path(rest[0]), given["tag"][0], pairs(given.get("label", [])))
        return self._acted("build", image)

    async def _load(self, given: dict[str, list[str]], rest: list[str]) -> str:
        image = self.images.load(Path(given["input"][0]))
        self._acted("load", image)
        return f"Loaded image: {image.tags[0]}" if image.tags else f"Loaded image ID: {image.id}"

    async def _save(self, given: dict[str, list[str]], rest: list[str]) -> str:
        self.images.save(rest[0], Path(given["output"][0]))
        return ""

    async def _tag(self, given: dict[str, list[str]], rest: list[str]) -> str:
        self.images.tag(*rest)
        return ""

    async def _pull(self, given: dict[str, list[str]], rest: list[str]) -> str:
        return self._acted("pull", self.images.pull(rest[0]))

    async def _push(self, given: dict[str, list[str]], rest: list[str]) -> str:
        self.images.push(rest[0])
        return rest[0]

    async def _network_inspect(self, given: dict[str, list[str]], rest: list[str]) -> str:
        if rest[0] not in self.networks:
            raise Refused(f"Error response from daemon: network {rest[0]} not found", out="[]\n")
        return json.dumps([{"Name": rest[0]}])

    async def _network_create(self, given: dict[str, list[str]], rest: list[str]) -> str:
        if rest[0] in self.networks:
            raise Refused(f"Error response from daemon: network with name {rest[0]} already exists")
        self.networks.add(rest[0])
        self.acts.append(f"network {rest[0]}")
        return hashlib.sha256(rest[0].encode()).hexdigest()

    async def _version(self, given: dict[str, list[str]], rest: list[str]) -> str:
        return "20.10.24"

    def _acted(self, act: str, image: FakeImage) -> str:
        self.acts.append(f"{act} {image.id}")
        return image.id

    def _the(self, name: str, text: str = _NOT_THERE) -> FakeContainer:
        found = self.containers.get(name)
        if found is None:
            raise Refused(text.format(name))
        return found


_NC = "No such container: {0}"


def _of_run(text: str) -> Refused:
    return Refused(f"docker: Error response from daemon: {text}\n\nRun 'docker run --help'", 125)
