"""Real SSH servers on the loopback: asyncssh's in this process, and OpenSSH's. Both use a real sh."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from executor.adapters.ssh import SshMachine

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


SIGNALS = {one.name.removeprefix("SIG"): one for one in signal.Signals}


@dataclass
class SshServer:
    """A server that runs: its port, who may log in with which key, and the file that pins its host key."""

    port: int
    user: str
    key: Path
    known_hosts: Path
    home: Path
    host_key: asyncssh.SSHKey
    opened: list[Any] = field(default_factory=list)
    commands: set[asyncio.Task[None]] = field(default_factory=set)
    path: str = field(default_factory=lambda: os.environ["PATH"])

    def pin(self, port: int, key: asyncssh.SSHKey | None = None) -> None:
        """Write the line that pins the host key (or another key) for that port, alone in the file."""
        text = (key or self.host_key).export_public_key().decode()
        self.known_hosts.write_text(f"[127.0.0.1]:{port} {text}")

    def machine(self, port: int = 0, **other: Any) -> SshMachine:
        """A machine for it, reached through `port` when that is given (a proxy's), which is then pinned."""
        port = port or self.port
        if "known_hosts" not in other:
            self.pin(port)
        words = {"user": self.user, "key": str(self.key), "known_hosts": str(self.known_hosts)}
        return SshMachine("box", "127.0.0.1", port=port, **{**words, **other})


@asynccontextmanager
async def opened(server: SshServer, port: int = 0, **other: Any) -> AsyncIterator[SshMachine]:
    """A machine for it that lets go of its connection at the end."""
    machine = server.machine(port, **other)
    try:
        yield machine
    finally:
        await machine.aclose()


@asynccontextmanager
async def asyncssh_server(where: Path, kind: str = "ssh-ed25519", **more: Any) -> AsyncIterator[SshServer]:
    """asyncssh's own server in this event loop."""
    server = _server(where, kind)
    server.user = "deploy"
    acceptor = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[server.host_key],
        authorized_client_keys=str(where / "authorized_keys"),
        server_factory=lambda: _Login(server),
        config=None,
        encoding=None,
        **more,
    )
    server.port = acceptor.get_port()
    try:
        yield server
    finally:
        acceptor.close()
        for connection in list(server.opened):
            connection.abort()
        await acceptor.wait_closed()
        _end_commands(server.home)
        await asyncio.gather(*server.commands)


@asynccontextmanager
async def openssh_server(
    where: Path, kind: str = "ssh-ed25519", options: Sequence[str] = ()
) -> AsyncIterator[SshServer]:
    """OpenSSH's sshd, as this user, with settings of its own only. Needs `openssh_missing()` to be empty."""
    server = _server(where, kind)
    server.host_key.write_private_key(where / "host_key")
    (where / "host_key").chmod(0o600)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(0o755, exist_ok=True)  # where its unprivileged half is locked in
    server.port = _free_port()
    words = [
        f"ListenAddress=127.0.0.1:{server.port}",
        f"HostKey={where / 'host_key'}",
        f"AuthorizedKeysFile={where / 'authorized_keys'}",
        "PidFile=none",
        "StrictModes=no",
        "UsePAM=no",
        "PermitRootLogin=prohibit-password",
        "PasswordAuthentication=no",
        f'SetEnv="HOME={server.home}"',
        *options,
    ]
    argv = [str(SSHD), "-D", "-e", "-f", "/dev/null", *(word for one in words for word in ("-o", one))]
    with (where / "sshd.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*argv, stderr=log, start_new_session=True)
    try:
        await _listening(server.port, process, where / "sshd.log")
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        _end_commands(server.home)


def openssh_missing() -> str:
    """Why no sshd can be started here; empty when one can."""
    if SSHD is None:
        return "no sshd is installed"
    if os.getuid() == 0 and not Path("/run/sshd").exists() and not os.access("/run", os.W_OK):
        return "/run/sshd cannot be made"
    return ""


def _server(where: Path, kind: str) -> SshServer:
    home = where / "home of\tdeploy"
    home.mkdir()
    client = asyncssh.generate_private_key("ssh-ed25519")
    client.write_private_key(where / "id")
    client.write_public_key(where / "authorized_keys")
    return SshServer(
        0, getpass.getuser(), where / "id", where / "known_hosts", home, asyncssh.generate_private_key(kind)
    )


def _end_commands(home: Path) -> None:
    """End what a test left running there: whatever has that home."""
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"HOME={home}\0".encode() in environ.read_bytes():
                os.kill(int(environ.parent.name), signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def _listening(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    while True:
        assert process.returncode is None, log.read_text()
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        writer.close()
        return


class _Login(asyncssh.SSHServer):
    def __init__(self, server: SshServer) -> None:
        self._server = server

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        self._server.opened.append(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.opened.remove(self._conn)

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return _Command(self._server)

    def connection_requested(self, *_: object) -> bool:
        return True


class _Command(asyncssh.SSHServerSession[bytes]):
    """One command: like sshd, it ends the command's input when the connection is lost, and kills nothing.

    It takes whatever comes: an asyncssh that is told to pause drops what it holds with the connection.
    """

    def __init__(self, server: SshServer) -> None:
        self._server = server
        self._input: asyncio.Queue[bytes] = asyncio.Queue()
        self._process: asyncio.subprocess.Process | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan

    def exec_requested(self, command: str) -> bool:
        work = asyncio.create_task(self._run(command))
        self._server.commands.add(work)
        work.add_done_callback(self._server.commands.discard)
        return True

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._input.put_nowait(data)

    def eof_received(self) -> bool:
        self._input.put_nowait(b"")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._input.put_nowait(b"")

    def signal_received(self, signal: str) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, SIGNALS[signal])

    async def _run(self, command: str) -> None:
        env = {"HOME": str(self._server.home), "PATH": self._server.path}
        pipe = asyncio.subprocess.PIPE
        self._process = process = await asyncio.create_subprocess_exec(
            "sh", "-c", command, stdin=pipe, stdout=pipe, stderr=pipe, env=env, start_new_session=True
        )
        assert process.stdout is not None and process.stderr is not None
        feed = asyncio.create_task(self._feed(process))
        await asyncio.gather(self._carry(process.stdout, None), self._carry(process.stderr, 1))
        code = await process.wait()
        feed.cancel()
        with suppress(OSError):
            if code < 0:
                self._chan.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
            else:
                self._chan.exit(code)

    async def _feed(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        with suppress(BrokenPipeError, ConnectionResetError):
            while data := await self._input.get():
                process.stdin.write(data)
                await process.stdin.drain()
        process.stdin.close()

    async def _carry(self, reader: asyncio.StreamReader, datatype: int | None) -> None:
        while data := await reader.read(1 << 15):
            with suppress(OSError):
                self._chan.write(data, datatype)
