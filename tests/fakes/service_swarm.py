"""A swarm that behaves: services that are replaced task by task and rolled back, edges that answer.

What comes before the word `docker` in a command (the guard of the deploy lock, the file of variables) really
runs; the docker command itself is answered here. The engine does one thing with each question it is asked.
"""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from executor.adapters.local_machine import LocalMachine
from executor.adapters.programs import Finished
from executor.errors import Transient
from tests.fakes.service_engine import FakeEngine, FakeNode, FakeService

LOOKS = {"version", "info"}
_READS = {"ls", "inspect", "ps", "logs"}


class Refused(Exception):
    """The engine's own words for a command that failed."""


class FakeSwarm(FakeEngine):
    """Whatever a test changes here holds from the next question on."""

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        super().__init__(names)
        self.machines = {name: FakeMachine(self, node, root / name) for name, node in self.nodes.items()}
        self.configs: dict[str, dict[str, str]] = {}
        self.networks: dict[str, str] = {}
        self.is_swarm = True
        self.said: list[list[str]] = []
        self.changes = 0
        self.lose: tuple[int, str] = (-1, "")
        """Which change is lost, counted from 0, and whether its `command` or its `reply` is."""

    def keeps(self, image: str, labels: dict[str, str], *, tag: str = "", health: bool = True) -> None:
        """Put an image on every machine."""
        config = {"Labels": labels, "Healthcheck": {"Test": ["CMD", "true"]} if health else None}
        for node in self.nodes.values():
            node.images[image] = {"Id": image, "RepoTags": [tag] if tag else [], "Config": config}

    def serving(self, service: str) -> set[str]:
        """The releases that a request may meet now."""
        found = self.services.get(service)
        return {task.release for task in found.tasks if task.state == "running"} if found else set()

    async def docker(self, node: FakeNode, words: list[str], env: dict[str, str], stdin: bytes) -> Finished:
        self.said.append(["docker", *words])
        if node.silent:
            raise Transient(f"{node.name} does not answer.")
        changes = words[0] not in LOOKS and words[1] not in _READS and words[0] != "inspect"
        lost = ""
        if changes:
            lost = self.lose[1] if self.changes == self.lose[0] else ""
            self.changes += 1
            if lost == "command":
                raise Transient("The connection was lost before the command ran.")
        try:
            out = self._answer(node, words, env, stdin)
        except Refused as refused:
            return Finished(1, b"[]\n", f"Error response from daemon: {refused}".encode(), 0)
        if lost:
            raise Transient("The connection was lost before the reply came.")
        self.one_step()
        return Finished(0, out.encode(), b"", 0)

    def _answer(self, node: FakeNode, words: list[str], env: dict[str, str], stdin: bytes) -> str:
        match words:
            case ["info", "--format", form]:
                state = {"LocalNodeState": "active" if self.is_swarm else "inactive"}
                shown = {**state, "NodeID": node.id, "ControlAvailable": self.is_swarm}
                return json.dumps(shown) if "json" in form else node.id
            case ["node", "ls", *_]:
                return "\n".join(found.id for found in self.nodes.values() if not found.elsewhere)
            case ["node", "inspect", *ids]:
                return json.dumps([self._node(found) for found in self.nodes.values() if found.id in ids])
            case ["node", "update", *rest, id]:
                return self._label(id, rest)
            case ["image", "ls", *rest]:
                wanted = [word.removeprefix("label=") for word in rest if word.startswith("label=")]
                return "\n".join(
                    image
                    for image, kept in node.images.items()
                    if all(_has(kept["Config"]["Labels"], pair) for pair in wanted)
                )
            case ["image", "inspect", "--format", _, ref]:
                return json.dumps(self._image(node, ref)["Config"]["Healthcheck"])
            case ["image", "inspect", *refs]:
                return json.dumps([self._image(node, ref) for ref in refs])
            case ["image", "rm", ref]:
                node.images.pop(self._image(node, ref)["Id"])
                return ref
            case ["inspect", "--type", "task", *ids]:
                tasks = [task for service in self.services.values() for task in service.tasks]
                return json.dumps([task.shown() for task in tasks if task.id in ids])
            case ["network" | "config" as kind, *rest]:
                return self._named(kind, rest, stdin)
            case ["service", verb, *rest]:
                return self._service(verb, rest, env)
        raise Refused(f"unknown command {words}")

    def _named(self, kind: str, words: list[str], stdin: bytes) -> str:
        store: dict[str, Any] = self.networks if kind == "network" else self.configs
        name = words[-2] if words[-1] == "-" else words[-1]
        match words[0]:
            case "create":
                if name in store:
                    raise Refused(f"rpc error: code = AlreadyExists desc = {kind} {name} already exists")
                labels = dict(pair.split("=", 1) for pair in _values(words, "--label"))
                store[name] = "swarm" if kind == "network" else {**labels, "": stdin.decode()}
            case "ls":
                wanted = [pair.removeprefix("label=") for pair in _values(words, "--filter")]
                return "\n".join(
                    name for name, labels in store.items() if all(_has(labels, pair) for pair in wanted)
                )
            case "inspect" | "rm":
                if name not in store:
                    raise Refused(f"{kind} {name} not found")
                if words[0] == "rm" and any(
                    name in found.spec["configs"] for found in self.services.values()
                ):
                    raise Refused(f"config '{name}' is in use by the following service")
                return str(store[name] if words[0] == "inspect" else store.pop(name))
        return name

    def _service(self, verb: str, words: list[str], env: dict[str, str]) -> str:
        match verb:
            case "ls":
                return "\n".join(found.id for found in self.services.values())
            case "create":
                return self._create(words, env)
            case "inspect":
                return json.dumps([self._known(word).shown() for word in words])
            case "logs":
                return f"log of {words[-1]}: no such table"
        found = self._known(words[-1])
        match verb:
            case "ps":
                return "\n".join(task.id for task in found.tasks)
            case "rm":
                self.services.pop(found.spec["name"])
            case "update":
                found.before, found.spec = found.spec, _updated(found.spec, words[:-1], env)
                found.update = found.told = ""
            case "rollback":
                if not found.before:
                    raise Refused("service does not have a previous spec")
                found.spec, found.before = found.before, found.spec
                found.update, found.told = "rollback_started", "manually requested rollback"
        return found.id

    def _create(self, words: list[str], env: dict[str, str]) -> str:
        spec = _created(words, env)
        if spec["name"] in self.services:
            raise Refused(
                "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service"
            )
        if spec["network"] not in self.networks:
            raise Refused(f"network {spec['network']} not found")
        self.services[spec["name"]] = FakeService(next(self._ids), spec)
        return self.services[spec["name"]].id

    def _known(self, word: str) -> FakeService:
        for found in self.services.values():
            if word in (found.id, found.spec["name"]):
                return found
        raise Refused(f"no such service: {word}")

    def _image(self, node: FakeNode, ref: str) -> dict[str, Any]:
        for image, kept in node.images.items():
            if ref in (image, *kept["RepoTags"]):
                return {**kept, "RootFS": {"Layers": []}, "Size": 1}
        raise Refused(f"No such image: {ref}")

    def _node(self, node: FakeNode) -> dict[str, Any]:
        return {
            "ID": node.id,
            "Description": {"Hostname": node.name},
            "Status": {"State": node.state, "Addr": "127.0.0.1"},
            "Spec": {"Availability": node.availability, "Labels": node.labels},
        }

    def _label(self, id: str, words: list[str]) -> str:
        node = next(node for node in self.nodes.values() if node.id == id)
        node.labels |= dict(pair.split("=", 1) for pair in _values(words, "--label-add"))
        for key in _values(words, "--label-rm"):
            del node.labels[key]
        return id

    @asynccontextmanager
    async def open(self) -> AsyncIterator[FakeSwarm]:
        """Let the edges answer on loopback."""
        runners = []
        for node in self.nodes.values():
            application = web.Application()

            async def health(_: web.Request, node: FakeNode = node) -> web.Response:
                status, body = self.answer(node)
                return web.json_response(body, status=status)

            application.router.add_get("/health", health)
            runner = web.AppRunner(application)
            await runner.setup()
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                node.port = free.getsockname()[1]
            await web.TCPSite(runner, "127.0.0.1", node.port).start()
            runners.append(runner)
        try:
            yield self
        finally:
            for runner in runners:
                await runner.cleanup()


class FakeMachine(LocalMachine):
    """A machine of the swarm: its files and its shell are real, its docker is the swarm's."""

    def __init__(self, swarm: FakeSwarm, node: FakeNode, root: Path) -> None:
        super().__init__(root)
        self._swarm = swarm
        self._node = node
        self.name = node.name

    async def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = 4 << 20
    ) -> Finished:
        words = list(argv)
        if "docker" not in words:
            if self._node.silent:
                raise Transient(f"{self.name} does not answer.")
            return await super().run(words, stdin=stdin, timeout=timeout, limit=limit)
        at, env = words.index("docker"), {}
        if at:
            before = await super().run([*words[:at], "env", "-0"], timeout=timeout)
            if before.code != 0:
                return before
            env = dict(line.split("=", 1) for line in before.stdout.decode().split("\0") if line)
        return await self._swarm.docker(self._node, words[at + 1 :], env, stdin)

    @asynccontextmanager
    async def reach(self, host: str, port: int) -> AsyncIterator[str]:
        yield f"http://{host}:{self._node.port}"


def _has(labels: dict[str, str], pair: str) -> bool:
    key, _, value = pair.partition("=")
    return labels.get(key) == value


def _values(words: Sequence[str], option: str) -> list[str]:
    return [words[at + 1] for at, word in enumerate(words) if word == option]


def _one(words: Sequence[str], option: str) -> Iterator[str]:
    return iter(_values(words, option))


def _variables(words: Sequence[str], option: str, env: dict[str, str]) -> list[str]:
    return [f"{name}={env[name]}" for name in _values(words, option) if name in env]


def _config_names(words: Sequence[str], option: str) -> list[str]:
    return [word.split(",")[0].removeprefix("source=") for word in _values(words, option)]


def _created(words: list[str], env: dict[str, str]) -> dict[str, Any]:
    image = next(word for word in words if word.startswith("sha256:"))
    ports = [int(word.split("published=")[1].split(",")[0]) for word in _values(words, "--publish")]
    replicas = next(_one(words, "--replicas"), None)
    return {
        "name": next(_one(words, "--name")),
        "image": image,
        "network": next(_one(words, "--network")),
        "replicas": int(replicas) if replicas else None,
        "labels": dict(pair.split("=", 1) for pair in _values(words, "--label")),
        "container_labels": dict(pair.split("=", 1) for pair in _values(words, "--container-label")),
        "env": _variables(words, "--env", env),
        "constraints": _values(words, "--constraint"),
        "configs": _config_names(words, "--config"),
        "ports": ports,
    }


def _updated(spec: dict[str, Any], words: list[str], env: dict[str, str]) -> dict[str, Any]:
    added = _variables(words, "--env-add", env)
    gone = {*_values(words, "--env-rm"), *(line.split("=")[0] for line in added)}
    configs = [name for name in spec["configs"] if name not in _values(words, "--config-rm")]
    replicas = next(_one(words, "--replicas"), None)
    labels = dict(pair.split("=", 1) for pair in _values(words, "--label-add"))
    task_labels = dict(pair.split("=", 1) for pair in _values(words, "--container-label-add"))
    return {
        **spec,
        "image": next(_one(words, "--image")),
        "replicas": int(replicas) if replicas else spec["replicas"],
        "labels": spec["labels"] | labels,
        "container_labels": spec["container_labels"] | task_labels,
        "env": [*[line for line in spec["env"] if line.split("=")[0] not in gone], *added],
        "configs": [*configs, *_config_names(words, "--config-add")],
    }
