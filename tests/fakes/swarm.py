"""A swarm that behaves: nodes with images, services that run the real runner behind real walls, logs."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from executor.adapters.programs import Finished
from executor.errors import Transient
from executor.sandbox.base import Bind, Limits, SandboxCommand
from executor.sandbox.bubblewrap import BubblewrapSandbox
from executor.sandbox.places import Places
from executor.sandbox.swarm_runner import KEY


def _finished(code: int = 0, out: str = "", error: str = "") -> Finished:
    return Finished(code, out.encode(), error.encode(), 0)


def _as_it_is(log: bytes) -> bytes:
    return log


@dataclass
class Service:
    """One job, as the manager keeps it."""

    words: list[str]
    key: str
    state: str = "Running"
    error: str = ""
    node: str = ""
    log: bytes = b""
    work: asyncio.Task[None] | None = None

    def values(self, option: str) -> list[str]:
        return [self.words[i + 1] for i, word in enumerate(self.words) if word == option]


@dataclass
class FakeSwarm:
    """What the manager knows. Whatever a test changes here holds from the next question on."""

    places: Places
    walls: BubblewrapSandbox
    nodes: dict[str, str] = field(default_factory=dict)
    """Status by node name: Ready or Down."""
    services: dict[str, Service] = field(default_factory=dict)
    configs: dict[str, bytes] = field(default_factory=dict)
    networks: set[str] = field(default_factory=set)
    holds: int = 0
    """How many more removals of a network are refused."""
    rejects: str = ""
    """Why every task is refused, if it is."""
    kills: bool = False
    """Every job is killed by the kernel before its runner says a word."""
    starts: bool = True
    """False: tasks stay pending."""
    damage: Callable[[bytes], bytes] = _as_it_is
    """What becomes of a log on its way."""
    asked: list[list[str]] = field(default_factory=list)
    ran: list[Service] = field(default_factory=list)

    async def settle(self) -> None:
        """Wait until nothing runs on any node."""
        await asyncio.gather(*(service.work for service in self.ran if service.work), return_exceptions=True)

    def left(self) -> set[str]:
        return {*self.services, *self.configs, *self.networks}


class FakeNode:
    """A machine that is a node, with the interface of a Machine."""

    def __init__(self, swarm: FakeSwarm, name: str, images: Sequence[str], *, manager: bool = False) -> None:
        self.name = name
        self.swarm = swarm
        self.images = list(images)
        self.manager = manager
        self.away = False
        self.sent: list[str] = []
        self.build_fails = ""
        self.lost_reply_of = ""
        swarm.nodes[name] = "Ready"

    async def root(self) -> str:
        return "/root-of-it"

    async def send(self, source: Path, path: str, *, sha256: str, told: Any = None) -> int:
        self._answer()
        content = await asyncio.to_thread(source.read_bytes)
        self.sent.append(path)
        self.archive = content
        return len(content)

    async def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, limit: int = 4 << 20
    ) -> Finished:
        self._answer()
        await asyncio.sleep(0)
        words = list(argv)
        self.swarm.asked.append(words)
        if words[0] == "sh":
            key = stdin.decode().strip()
            done = self._build(words) if "docker build" in words[2] else self._manage(words[4:], stdin, key)
        else:
            done = self._manage(words[1:], stdin, "")
        if self.lost_reply_of and self.lost_reply_of in " ".join(words):
            self.lost_reply_of = ""
            raise Transient("The connection was lost.")
        return done

    def _answer(self) -> None:
        if self.away:
            raise Transient(f"{self.name} does not answer.")

    def _build(self, words: list[str]) -> Finished:
        if self.build_fails:
            return _finished(1, self.build_fails)
        self.images.insert(0, words[4])
        return _finished(0, "sha256:1")

    def _manage(self, words: list[str], stdin: bytes, key: str) -> Finished:
        if words[0] == "image":
            return self._image(words)
        if words[0] == "info":
            return _finished(0, f"id-of-{self.name}\n")
        if not self.manager:
            return _finished(1, "", "Error response from daemon: This node is not a swarm manager.")
        kind, verb = words[0], words[1]
        act = {"create": self._create, "rm": self._remove, "ls": self._list}.get(verb)
        if act is not None:
            return act(kind, words, stdin, key)
        service = self.swarm.services.get(words[-1])
        if service is None:
            return _finished(1, "", f"no such service: {words[-1]}")
        if verb == "logs":
            return Finished(0, self.swarm.damage(service.log), b"", 0)
        shown = {
            "CurrentState": f"{service.state} 1 second ago",
            "Error": service.error,
            "Node": service.node,
        }
        return _finished(0, json.dumps({**shown, "DesiredState": "Complete"}))

    def _image(self, words: list[str]) -> Finished:
        if words[1] == "inspect":
            found = words[-1] in self.images
            return (
                _finished(0, "sha256:1") if found else _finished(1, "", f"Error: No such image: {words[-1]}")
            )
        if words[1] == "rm":
            self.images = [image for image in self.images if image not in words[2:]]
            return _finished()
        return _finished(0, "\n".join(image for image in self.images if image.startswith("fpai-job-")))

    def _list(self, kind: str, words: list[str], stdin: bytes, key: str) -> Finished:
        if kind == "node":
            lines = [
                {"ID": f"id-of-{name}", "Hostname": name, "Status": status, "Availability": "Active"}
                for name, status in self.swarm.nodes.items()
            ]
            return _finished(0, "\n".join(json.dumps(line) for line in lines))
        held: dict[str, Any] = {
            "service": self.swarm.services, "config": self.swarm.configs, "network": self.swarm.networks,
        }  # fmt: skip
        return _finished(0, "\n".join(held[kind]))

    def _create(self, kind: str, words: list[str], stdin: bytes, key: str) -> Finished:
        if kind == "network":
            self.swarm.networks.add(words[-1])
        elif kind == "config":
            if len(stdin) > 500 << 10:
                return _finished(1, "", "config must be smaller than 500KB")
            self.swarm.configs[words[-2]] = stdin
        else:
            self._start(Service(words, key))
        return _finished(0, "an-id")

    def _start(self, service: Service) -> None:
        swarm = self.swarm
        swarm.services[service.values("--name")[0]] = service
        swarm.ran.append(service)
        off = {word.removeprefix("node.id!=id-of-") for word in service.values("--constraint")}
        fit = [name for name, status in swarm.nodes.items() if status == "Ready" and name not in off]
        service.node = fit[0] if fit else ""
        if swarm.rejects:
            service.state, service.error = "Rejected", swarm.rejects
        elif swarm.kills:
            service.state, service.error = "Failed", "task: non-zero exit (137)"
        elif not fit or not swarm.starts:
            service.state, service.error = "Pending", "no suitable node"
        else:
            service.work = asyncio.get_running_loop().create_task(self._work(service))

    def _remove(self, kind: str, words: list[str], stdin: bytes, key: str) -> Finished:
        name, swarm = words[-1], self.swarm
        held: dict[str, Any] = {"service": swarm.services, "config": swarm.configs}
        if kind == "network":
            if name not in swarm.networks:
                return _finished(1, "", f"Error: network {name} not found")
            if swarm.holds:
                swarm.holds -= 1
                return _finished(1, "", "Error: network is in use by task x")
            swarm.networks.discard(name)
            return _finished()
        gone = held[kind].pop(name, None)
        if gone is None:
            return _finished(1, "", f"Error: no such {kind}: {name}")
        if kind == "service" and gone.work is not None:
            gone.work.cancel()
        return _finished()

    async def _work(self, service: Service) -> None:
        """Run the real runner on the real files, behind bubblewrap in place of the node's container."""
        swarm = self.swarm
        scratch = swarm.places.scratch("node")
        await asyncio.to_thread(self._laid_out, scratch, service)
        binds = [Bind(scratch / "in", "/fpai-in")]
        binds += [Bind(path, f"/{path.name}") for path in sorted((scratch / "root").iterdir())]
        for mount in service.values("--mount"):
            target = dict(word.split("=", 1) for word in mount.split(","))["destination"]
            if target not in {"/sys", "/tmp"}:
                (scratch / target.strip("/")).mkdir()
                binds.append(Bind(scratch / target.strip("/"), target, writable=True))
        argv = ("/usr/bin/python3", *service.words[service.words.index("-I") :])
        done = await swarm.walls.run(
            SandboxCommand(
                argv, tuple(binds), cwd="/", env={KEY: service.key}, limits=Limits(output_bytes=64 << 20)
            )
        )
        service.log, service.state = done.output.encode(), "Complete"

    def _laid_out(self, scratch: Path, service: Service) -> None:
        (scratch / "in").mkdir()
        for config in service.values("--config"):
            words = dict(word.split("=", 1) for word in config.split(","))
            content = self.swarm.configs[words["source"]]
            (scratch / "in" / Path(words["target"]).name).write_bytes(content)
        with tarfile.open(fileobj=io.BytesIO(self.archive)) as outer:
            root = outer.extractfile("root.tar")
            assert root is not None
            with tarfile.open(fileobj=root) as tar:
                tar.extractall(scratch / "root")
