"""A docker engine that behaves, in this event loop, and the `docker` command by which others talk to it.

It knows the commands and options that the product uses, as Docker 20.10 does them, and refuses every other
one, so that nothing passes by accident. A command takes effect before it is answered.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import os
import random
import socket
import sys
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.docker_containers import FakeContainer, Life
from tests.fakes.docker_images import FakeImage, FakeImages, Refused

_NOT_THERE = "Error response from daemon: No such container: {}"
# What each command takes: options with a word after them, and options without.
_OPTIONS: dict[str, tuple[str, str]] = {
    "run": (
        "pull name network restart cap-drop security-opt memory memory-swap pids-limit stop-timeout"
        " log-driver log-opt label env-file volume publish tmpfs user entrypoint",
        "detach read-only",
    ),
    "build": ("tag label", "quiet pull=false rm force-rm"),
    "ps": ("filter", "all quiet no-trunc"),
    "image ls": ("filter", "quiet no-trunc"),
    "version": ("format", ""),
    "update": ("restart", ""),
    "stop": ("time", ""),
    "kill": ("signal", ""),
    "rm": ("", "force"),
    "logs": ("tail", ""),
    "load": ("input", "quiet"),
    "save": ("output", ""),
    "pull": ("", "quiet"),
    "push": ("", "quiet"),
}
_PLAIN = (
    "start", "tag", "exec", "top", "image inspect", "image rm", "container inspect", "network inspect",
    "network create",
)  # fmt: skip
# A container's own words come after the first word that is no option: they are not docker's.
_COMMAND = """\
#!{python} -IS
import _socket, posix, sys
line = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
line.connect("\\0{name}")
line.sendall("\\0".join(sys.argv[1:]).encode("utf-8", "surrogateescape"))
line.shutdown(_socket.SHUT_WR)
said = b""
while more := line.recv(1 << 16):
    said += more
head, _, rest = said.partition(b"\\n")
if not head:
    sys.exit(255)
code, length = head.split()
for descriptor, text in ((1, rest[: int(length)]), (2, rest[int(length) :])):
    while text:
        text = text[posix.write(descriptor, text) :]
sys.exit(int(code))
"""


@dataclass
class _Fault:
    """What happens to the next command in which the words occur: refused before it, or lost after it."""

    words: str
    code: int = 0
    text: str = ""
    lose: bool = False


class FakeEngine:
    """An async context manager. `bin` is a directory for a PATH, with the `docker` command of this engine.

    `behaviours` are what releases do (see docker_containers.Life), by the beginning of a release id; `acts`
    lists every change that was made, in order; `lose_replies` is called when an answer is to be lost.
    """

    def __init__(self, where: Path) -> None:
        self.bin = where / "bin"
        self.images = FakeImages()
        self.containers: dict[str, FakeContainer] = {}
        self.networks: set[str] = set()
        self.acts: list[str] = []
        self.behaviours: dict[str, str] = {}
        self.lose_replies: Callable[[], None] = lambda: None
        self.faults: list[_Fault] = []
        self._lives: dict[str, Life] = {}
        self._subnet = f"127.{random.randint(64, 254)}.{random.randint(0, 254)}"
        self._busy = 0

    async def __aenter__(self) -> FakeEngine:
        name = f"fpai-fake-{uuid.uuid4().hex}"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(f"\0{name}")
        self._server = await asyncio.start_unix_server(self._serve, sock=listening)
        self.bin.mkdir(parents=True, exist_ok=True)
        command = self.bin / "docker"
        command.write_text(_COMMAND.format(python=os.path.realpath(sys.executable), name=name))
        command.chmod(0o755)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for life in list(self._lives.values()):
            await life.stop()

    def fail(self, words: str, code: int, text: str) -> None:
        """Refuse the next command in which these words occur; it changes nothing."""
        self.faults.append(_Fault(words, code, text))

    def drop_reply(self, words: str) -> None:
        """Do the next command in which these words occur, and lose the way back before it is answered."""
        self.faults.append(_Fault(words, lose=True))

    @property
    def idle(self) -> bool:
        return self._busy == 0

    def state(self) -> dict[str, Any]:
        """Everything it has, as a copy."""
        kept = (self.images, self.containers, self.networks, self.acts)
        return dict(zip(("images", "containers", "networks", "acts"), copy.deepcopy(kept), strict=True))

    async def restore(self, state: dict[str, Any]) -> None:
        """Be as it was: what ran then runs again."""
        for life in list(self._lives.values()):
            await life.stop()
        self._lives.clear()
        self.faults.clear()
        for name, value in copy.deepcopy(state).items():
            setattr(self, name, value)
        for container in self.containers.values():
            if container.running:
                await self._live(container)

    async def answer(self, argv: Sequence[str]) -> tuple[int, str, str]:
        """What the command does: its exit code, and what it prints on stdout and stderr."""
        said = " ".join(argv)
        fault = next((fault for fault in self.faults if fault.words in said), None)
        if fault is not None:
            self.faults.remove(fault)
        if fault is not None and not fault.lose:
            return fault.code, "", f"{fault.text}\n"
        try:
            answered = 0, await self._done(list(argv)), ""
        except Refused as refused:
            answered = refused.code, refused.out, f"{refused.text}\n"
        if fault is not None:
            self.lose_replies()
            return 255, "", ""
        return answered

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._busy += 1
        try:
            argv = (await reader.read()).decode("utf-8", "surrogateescape").split("\0")
            code, out, error = await self.answer(argv)
            writer.write(f"{code} {len(out.encode())}\n{out}{error}".encode())
            with suppress(OSError):
                await writer.drain()
        finally:
            self._busy -= 1
            writer.close()

    async def _done(self, argv: list[str]) -> str:
        two = " ".join(argv[:2])
        command = two if two in _OPTIONS or two in _PLAIN else argv[0]
        if command not in _OPTIONS and command not in _PLAIN:
            raise Refused(f"docker: unknown command: docker {argv[0]}\n\nRun 'docker --help'")
        given, rest = _read(command, argv[len(command.split()) :])
        return await getattr(self, f"_{command.replace(' ', '_')}")(given, rest) or ""

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
            labels={**image.labels, **_pairs(given.get("label", []))},
            env=_environment(given.get("env-file", [])),
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
        wanted = _labels(given)
        found = [c for c in self.containers.values() if wanted.items() <= c.labels.items()]
        return "\n".join(c.id for c in found if c.running or "all" in given)

    async def _container_inspect(self, given: dict[str, list[str]], rest: list[str]) -> str:
        by_id = {container.id: container for container in self.containers.values()}
        return _inspected([self.containers.get(n) or by_id.get(n) for n in rest], rest, _NOT_THERE)

    # Images and networks

    async def _image_inspect(self, given: dict[str, list[str]], rest: list[str]) -> str:
        text = "Error response from daemon: no such image: {0}: No such image: {0}:latest"
        return _inspected([self.images.find(name) for name in rest], rest, text)

    async def _image_ls(self, given: dict[str, list[str]], rest: list[str]) -> str:
        return "\n".join(image.id for image in self.images.listed(_labels(given)))

    async def _image_rm(self, given: dict[str, list[str]], rest: list[str]) -> str:
        users = [(c.id, c.image_id, c.running) for c in self.containers.values()]
        self.images.remove(rest[0], users)
        self.acts.append(f"image rm {rest[0]}")
        return f"Untagged: {rest[0]}"

    async def _build(self, given: dict[str, list[str]], rest: list[str]) -> str:
        image = self.images.build(Path(rest[0]), given["tag"][0], _pairs(given.get("label", [])))
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


def _read(command: str, words: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The options that were given, by name, and the words after them."""
    valued, plain = (text.split() for text in _OPTIONS.get(command, ("", "")))
    given: dict[str, list[str]] = {}
    while words and words[0].startswith("--"):
        name = words.pop(0)[2:]
        if name in plain:
            given[name] = []
        elif name in valued and words:
            given.setdefault(name, []).append(words.pop(0))
        else:
            raise Refused(f"unknown flag: --{name}\n\nUsage:  docker {command} [OPTIONS]", 125)
    return given, words


def _inspected(found: Sequence[Any], names: Sequence[str], text: str) -> str:
    """Those that are there on stdout; those that are not as errors."""
    out = json.dumps([one.inspected() for one in found if one is not None]) + "\n"
    missing = [text.format(name) for name, one in zip(names, found, strict=True) if one is None]
    if missing:
        raise Refused("\n".join(missing), out=out)
    return out


def _labels(given: dict[str, list[str]]) -> dict[str, str]:
    return _pairs([text.removeprefix("label=") for text in given.get("filter", [])])


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    return dict(text.split("=", 1) for text in texts)


def _environment(files: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in files:
        path = Path(name)
        if not path.exists():
            text = f"docker: open {name}: no such file or directory\n\nRun 'docker run --help'"
            raise Refused(text, 125)
        found |= _pairs(path.read_text().splitlines())
    return found
