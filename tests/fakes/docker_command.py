"""The `docker` command by which others talk to an engine that lives in this event loop."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.fakes.docker_images import Refused
from tests.fakes.docker_words import command_of, read

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


class DockerCommand:
    """An async context manager: `bin` is a directory for a PATH, with a `docker` that is answered here.

    A subclass does the commands: `docker image ls` is its `_image_ls(options, words)`, which returns what is
    printed or raises Refused. `lose_replies` is called when an answer is to be lost.
    """

    def __init__(self, where: Path) -> None:
        self.bin = where / "bin"
        self.lose_replies: Callable[[], None] = lambda: None
        self.faults: list[_Fault] = []
        self._busy = 0

    async def __aenter__(self) -> Self:
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

    def fail(self, words: str, code: int, text: str) -> None:
        """Refuse the next command in which these words occur; it changes nothing."""
        self.faults.append(_Fault(words, code, text))

    def drop_reply(self, words: str) -> None:
        """Do the next command in which these words occur, and lose the way back before it is answered."""
        self.faults.append(_Fault(words, lose=True))

    @property
    def idle(self) -> bool:
        return self._busy == 0

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
        command = command_of(argv)
        given, rest = read(command, argv[len(command.split()) :])
        do = getattr(self, f"_{command.replace(' ', '_')}")
        return await do(given, rest) or ""
