"""This machine's docker engine, as far as walls need it: make a container, look at it, end it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executor.errors import ExecutorError, NotFound, Permanent, Transient
from executor.sandbox.base import SandboxCommand
from executor.sandbox.captive import Captive, Start
from executor.sandbox.docker_argv import LABEL, Container, create_argv, env_lines

_PATIENCE = 60.0
_WORDS_BYTES = 256 << 10
_PASSED = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
_SYSTEM_PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ID = re.compile(r"^[0-9a-f]{12,64}$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Image:
    """An image by its id, and the names of the variables that it would set."""

    id: str
    variables: frozenset[str]


class Engine:
    """The engine behind the `docker` command.

    `home` is an empty directory of the daemon's: a person's docker settings are not read, since those can put
    proxies, and their passwords, into every container.
    """

    def __init__(self, home: Path, program: str = "docker") -> None:
        self._home = home
        self._program = program

    async def image(self, reference: str) -> Image:
        """Look an image up; raises Permanent, with the command that fetches it, when it is not here."""
        try:
            seen = await self._inspected("image", reference)
        except NotFound as error:
            raise Permanent(
                f"The image {reference} is not on this machine, and it is the root of every sandbox.",
                hint=f"Run: docker pull {reference}, or name another one in [sandbox] image.",
            ) from error
        variables = (seen.get("Config") or {}).get("Env") or []
        return Image(str(seen["Id"]), frozenset(str(line).split("=")[0] for line in variables))

    async def create(self, container: Container, command: SandboxCommand) -> None:
        """Make the container, not yet running. Raises NotFound for a lost image, Permanent, Transient."""
        lines = env_lines(command.env)
        env = os.memfd_create("environment")
        try:
            os.write(env, lines)
            words = create_argv(container, command, env_file=f"/proc/self/fd/{env}")
            await self._asked(words, pass_fd=env)
        finally:
            os.close(env)

    def started(self, name: str, output_bytes: int) -> Captive:
        """Start it, attached: the captive is docker's client, which prints what the container prints."""
        return Captive(self._start(["start", "--attach", name], output_bytes))

    async def state(self, name: str) -> Mapping[str, Any]:
        """How a container stands: Running, ExitCode, OOMKilled, Error, StartedAt. Raises NotFound."""
        state: Mapping[str, Any] = (await self._inspected("container", name))["State"]
        return state

    def kill_soon(self, name: str) -> Captive:
        """Begin to kill a container, without waiting."""
        return Captive(self._start(["kill", name], _WORDS_BYTES))

    async def remove(self, *names: str) -> None:
        """Kill and remove containers, with all that runs in them; one that is gone is no error."""
        for name in names:
            try:
                await self._asked(["rm", "--force", "--volumes", name])
            except NotFound:
                continue

    async def labelled(self, label: str) -> list[str]:
        """The ids of all containers, running or not, that carry this state directory's label."""
        words = ["ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL}={label}"]
        return _ID.findall(await self._asked(words))

    async def _inspected(self, kind: str, name: str) -> Any:
        words = await self._asked([kind, "inspect", "--format", "{{json .}}", name])
        return json.loads(next(line for line in words.splitlines() if line.startswith("{")))

    async def _asked(self, words: Sequence[str], *, pass_fd: int | None = None) -> str:
        captive = Captive(self._start(words, _WORDS_BYTES, pass_fd))
        try:
            async with asyncio.timeout(_PATIENCE):
                code = await captive.ended()
        except TimeoutError as error:
            raise Transient(
                f"docker did not answer within {_PATIENCE:g} s.", hint="See the engine's log."
            ) from error
        finally:
            await captive.destroy()
        if code != 0:
            raise engine_error(captive.output())
        return captive.output()

    def _start(self, words: Sequence[str], output_bytes: int, pass_fd: int | None = None) -> Start:
        own = {name: os.environ[name] for name in _PASSED if name in os.environ}
        env = {"PATH": _SYSTEM_PATH, "LANG": "C.UTF-8", "DOCKER_CONFIG": str(self._home), **own}
        kept = () if pass_fd is None else (pass_fd,)
        return Start([self._found(), *words], output_bytes, kept=kept, env=env)

    def _found(self) -> str:
        found = shutil.which(self._program, path=f"{_SYSTEM_PATH}:{os.environ.get('PATH', '')}")
        if found is None:
            raise Permanent(
                f"{self._program} is not installed, so no container can be made.", hint="Install docker."
            )
        return found


def engine_error(words: str) -> ExecutorError:
    """Sort what docker's client said into what the caller does next."""
    said = words.strip()[-400:]
    lower = words.lower()
    if re.search(r"no such (image|container|object)", lower):
        return NotFound(f"docker says: {said}")
    if "permission denied" in lower and "socket" in lower:
        return Permanent(
            "The daemon's user may not talk to docker, so no container can be made.",
            hint="Run: usermod -aG docker USER, then restart the executor. Who may use docker is root.",
        )
    if re.search(r"cannot connect|connection (refused|reset)|error during connect|\beof\b", lower):
        return Transient(f"docker does not answer: {said}", hint="Start the docker engine.")
    if "no space left" in lower:
        return Transient("The disk is full, so no container can be made.", hint="Free some space.")
    return Permanent(f"docker refused: {said}", hint="See the engine's log for more.")
