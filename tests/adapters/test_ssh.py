"""Commands and ports of a machine over SSH: words arrive as they are, and nothing is left hanging."""

import asyncio
import logging
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import executor
from executor.adapters.ssh import SshMachine
from executor.errors import Permanent, Transient
from tests.fakes.cut_proxy import CutProxy
from tests.fakes.ssh_servers import SshServer, opened
from tests.proof.ledger import Ledger

AWKWARD = [
    "",
    " ",
    "a b",
    "'",
    '"',
    "\\",
    "$HOME",
    "`id`",
    "$(id)",
    ";",
    "&",
    "|",
    "*",
    "?",
    "~",
    "!x",
    "#",
    "\n",
    "\t",
]
AWKWARD += ["-n", "--", "{a,b}", "é\u2028\u202e", "%s", "\x01\x7f", "(", ">x", "a=b", "''\"'\"''"]
PRINT = "import sys; sys.stdout.write(ascii(sys.argv[1:]))"


async def gone(pid: int) -> None:
    """Return once that process has ended."""
    while Path(f"/proc/{pid}").exists() and "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        await asyncio.sleep(0.01)


async def number_in(note: Path) -> int:
    """The number that a command over there writes into this file."""
    while not note.exists() or not note.read_text().endswith("\n"):
        await asyncio.sleep(0.01)
    return int(note.read_text())


async def test_every_awkward_word_arrives_unchanged(ssh_server: SshServer, ledger: Ledger) -> None:
    async with opened(ssh_server) as machine:
        done = await machine.run([sys.executable, "-I", "-c", PRINT, *AWKWARD])
    assert (done.code, done.stdout.decode()) == (0, ascii(AWKWARD))
    ledger.tried("words that a shell would obey", len(AWKWARD), threat="deploy host impersonated")


async def test_code_output_and_input_are_handed_over(ssh_server: SshServer) -> None:
    async with opened(ssh_server) as machine:
        done = await machine.run(["sh", "-c", "rev; echo oh >&2; exit 7"], stdin=b"abc\n")
        assert (done.code, done.stdout, done.error_text, done.dropped) == (7, b"cba\n", "oh", 0)
        assert (await machine.run(["true"], stdin=b"x" * (8 << 20))).code == 0  # nobody reads it
        assert (await machine.run(["no-such-program"])).code == 127
        assert (await machine.run(["sh", "-c", "kill -9 $$"])).code == -9


async def test_the_first_word_is_a_program_whatever_a_shell_would_make_of_it(ssh_server: SshServer) -> None:
    async with opened(ssh_server) as machine:
        assert (await machine.run(["if", "true"])).code == 127
        assert (
            await machine.run(["echo", "a\\tb"])
        ).stdout == b"a\\tb\n"  # dash's own echo makes a tab of it


async def test_output_past_the_limit_is_counted_and_not_kept(ssh_server: SshServer) -> None:
    async with opened(ssh_server) as machine:
        done = await machine.run(["head", "-c", "9999999", "/dev/zero"], limit=1000)
    assert (len(done.stdout), done.dropped) == (1000, 9_998_999)


@pytest.mark.parametrize("words", [[], ["a\0b"], ["\udc80"], ["-x", "a"], ["A=b", "true"]])
async def test_words_that_no_command_line_carries_are_refused(words: list[str], tmp_path: Path) -> None:
    machine = SshMachine("box", "127.0.0.1", port=1, user="u", key="", known_hosts=str(tmp_path / "none"))
    with pytest.raises(Permanent, match="NUL or a broken character"):
        await machine.run(words)


async def test_nothing_of_the_daemons_environment_goes_along(
    start_ssh: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start_ssh("openssh", options=["AcceptEnv=*", "AllowAgentForwarding=yes"])
    monkeypatch.setenv("LC_CANARY", "canary-1")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/canary-2")
    async with opened(server) as machine:
        said = (await machine.run(["env"])).stdout
    assert b"HOME=" in said
    assert b"canary" not in said
    assert b"SSH_AUTH_SOCK" not in said


async def test_a_command_line_is_never_logged(
    ssh_server: SshServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A word of it may be a secret, and asyncssh logs commands unless it is told not to."""
    logging.getLogger().setLevel(logging.DEBUG)
    with caplog.at_level(logging.DEBUG):
        async with opened(ssh_server) as machine:
            await machine.run(["echo", "canary-3"])
    assert "canary-3" not in caplog.text


async def test_a_program_that_takes_too_long_is_killed_and_transient(
    ssh_server: SshServer, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    async with opened(ssh_server) as machine:
        words = ["sh", "-c", 'echo $$ >"$1"; sleep 600; true', "x", str(note)]
        with pytest.raises(Transient, match="sh on box did not finish within 1 s"):
            await machine.run(words, timeout=1)
        await gone(await number_in(note))


async def test_a_cancelled_caller_leaves_no_process_task_or_channel(
    ssh_server: SshServer, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    async with opened(ssh_server) as machine:
        await machine.run(["true"])
        before = asyncio.all_tasks()
        for _ in range(12):  # more than the server lets live at once on a connection
            note.unlink(missing_ok=True)
            words = ["sh", "-c", 'echo $$ >"$1"; sleep 600; true', "x", str(note)]
            running = asyncio.create_task(machine.run(words))
            await number_in(note)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            await gone(int(note.read_text()))
        assert not {task for task in asyncio.all_tasks() - before if "_Command" not in repr(task)}
        assert (await machine.run(["true"])).code == 0


async def test_a_caller_cancelled_at_any_moment_leaves_no_channel(ssh_server: SshServer) -> None:
    async with opened(ssh_server) as machine:
        await machine.run(["true"])
        for turns in range(0, 36, 3):
            running = asyncio.create_task(machine.run(["sleep", "600"]))
            for _ in range(turns):
                await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        done = await asyncio.gather(*(machine.run(["echo", str(n)]) for n in range(8)))
    assert [one.stdout for one in done] == [f"{n}\n".encode() for n in range(8)]


async def test_many_commands_at_once_share_one_connection_within_its_bounds(ssh_server: SshServer) -> None:
    async with CutProxy(ssh_server.port) as proxy, opened(ssh_server, proxy.port) as machine:
        done = await asyncio.gather(*(machine.run(["echo", str(n)]) for n in range(30)))
        assert proxy.opened == 1
    assert [one.stdout for one in done] == [f"{n}\n".encode() for n in range(30)]


async def test_however_many_are_cancelled_at_once_there_is_room_to_end_them_all(
    ssh_server: SshServer, tmp_path: Path
) -> None:
    """Ending a command takes a session of its own, and the server lets ten live at once."""
    async with opened(ssh_server) as machine:
        notes = [tmp_path / f"pid{n}" for n in range(14)]
        words = ["sh", "-c", 'echo $$ >"$1"; sleep 600; true', "x"]
        calls = [asyncio.create_task(machine.run([*words, str(note)], timeout=600)) for note in notes]
        while len([note for note in notes if note.exists()]) < 8:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)  # whoever would be let in beyond the bound is in now
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        for note in notes:
            if note.exists():
                await gone(await number_in(note))


async def test_a_cut_wire_wakes_every_waiting_call_and_the_next_call_connects_anew(
    ssh_server: SshServer, tmp_path: Path
) -> None:
    async with CutProxy(ssh_server.port) as proxy, opened(ssh_server, proxy.port) as machine:
        notes = [tmp_path / f"pid{n}" for n in range(3)]
        words = ["sh", "-c", 'echo $$ >"$1"; exec sleep 600', "x"]
        calls = [asyncio.create_task(machine.run([*words, str(note)], timeout=600)) for note in notes]
        pids = [await number_in(note) for note in notes]
        proxy.cut()
        for said in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(said, Transient)
            assert "was lost" in said.message
        with pytest.raises(Transient, match="does not answer"):
            await machine.run(["true"])
        proxy.heal()
        assert (await machine.run(["echo", "back"])).stdout == b"back\n"
        await machine.run(["kill", *map(str, pids)])


async def test_a_silent_network_wakes_every_waiting_call(ssh_server: SshServer) -> None:
    """Nothing says that it is gone: asyncssh alone would wait for ever."""
    async with (
        CutProxy(ssh_server.port) as proxy,
        opened(ssh_server, proxy.port, connect_timeout=0.5) as machine,
    ):
        await machine.run(["true"])
        proxy.stall()
        calls = [machine.run(["true"], timeout=600), machine.run(["sleep", "600"], timeout=600)]
        for said in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(said, Transient)
            assert "was lost" in said.message
        with pytest.raises(Transient, match=r"no answer within 0\.5 s"):
            await machine.run(["true"])


async def test_callers_that_wait_for_the_same_attempt_share_its_failure(ssh_server: SshServer) -> None:
    async with (
        CutProxy(ssh_server.port) as proxy,
        opened(ssh_server, proxy.port, connect_timeout=0.5) as machine,
    ):
        proxy.stall()
        said = await asyncio.gather(*(machine.run(["true"]) for _ in range(5)), return_exceptions=True)
        assert proxy.opened == 1
        assert isinstance(said[0], Transient)
        assert {str(one) for one in said} == {str(said[0])}
        proxy.heal()
        assert (await machine.run(["echo", "up"], timeout=600)).stdout == b"up\n"


async def test_after_aclose_the_next_call_connects_anew(ssh_server: SshServer) -> None:
    async with CutProxy(ssh_server.port) as proxy, opened(ssh_server, proxy.port) as machine:
        await machine.aclose()
        await machine.run(["true"])
        await machine.aclose()
        assert (await machine.run(["echo", "a"])).stdout == b"a\n"
        assert proxy.opened == 2


async def test_the_root_is_made_in_the_home_of_the_user_there(ssh_server: SshServer) -> None:
    async with opened(ssh_server) as machine:
        root = Path(await machine.root())
        assert root == ssh_server.home / ".fpai"
        assert root.stat().st_mode & 0o777 == 0o700
        assert await machine.root() == str(root)


async def test_a_home_that_cannot_be_written_is_told(ssh_server: SshServer) -> None:
    (ssh_server.home / ".fpai").write_text("a file")
    async with opened(ssh_server) as machine:
        with pytest.raises(Permanent, match=r"~/\.fpai on box cannot be written: .*File exists"):
            await machine.root()


async def test_asyncssh_is_loaded_with_the_first_connection_and_not_before() -> None:
    code = (
        "import sys; from executor.adapters.ssh import SshMachine; "
        "SshMachine('a', 'b', port=1, user='c', key='', known_hosts=''); print('asyncssh' in sys.modules)"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, check=True
    )
    assert done.stdout == b"False\n"


def test_no_source_of_ours_switches_the_host_key_check_off() -> None:
    """trust.md, the deploy host impersonated: to asyncssh `known_hosts=None` means: trust everybody."""
    sources = list(Path(executor.__file__).parent.rglob("*.py"))
    found = [path for path in sources if re.search(r"known_hosts[\"']?\s*[=:]\s*None", path.read_text())]
    assert len(sources) > 100
    assert not found


@asynccontextmanager
async def greeter() -> AsyncIterator[int]:
    """An HTTP server on the loopback that says hello; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def get(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        return await reply.text()


async def test_a_port_as_seen_from_there_is_reached_while_the_context_is_open(ssh_server: SshServer) -> None:
    async with greeter() as port, opened(ssh_server) as machine:
        async with machine.reach("127.0.0.1", port) as url:
            assert not url.endswith(f":{port}")
            assert await get(url) == "hello"
        with pytest.raises(aiohttp.ClientConnectorError):
            await get(url)


async def test_a_port_where_nothing_listens_there_is_the_callers_to_see(ssh_server: SshServer) -> None:
    async with CutProxy(1) as proxy:
        nothing = proxy.port
    async with opened(ssh_server) as machine, greeter() as port:
        with pytest.raises(aiohttp.ClientError):
            async with machine.reach("127.0.0.1", nothing) as url:
                await get(url)
        async with machine.reach("127.0.0.1", port) as url:
            assert await get(url) == "hello"


async def test_a_machine_that_forwards_nothing_is_told_with_the_setting_for_it(
    start_ssh: Any,
) -> None:
    server = await start_ssh("openssh", options=["AllowTcpForwarding=no"])
    async with opened(server) as machine:
        with pytest.raises(Permanent, match=r"forwards no connections to 127\.0\.0\.1:80") as caught:
            async with machine.reach("127.0.0.1", 80):
                pass
    assert "AllowTcpForwarding yes" in caught.value.hint


async def test_a_broken_way_is_not_taken_for_a_broken_service(ssh_server: SshServer) -> None:
    """What the context's own error says is true of the service only while the machine answers."""
    async with (
        greeter() as port,
        CutProxy(ssh_server.port) as proxy,
        opened(ssh_server, proxy.port, connect_timeout=0.5) as machine,
    ):
        with pytest.raises(Transient, match=r"does not answer|was lost"):
            async with machine.reach("127.0.0.1", port) as url:
                proxy.stall()
                async with asyncio.timeout(0.1):
                    await get(url)
        proxy.heal()
        with pytest.raises(ZeroDivisionError):
            async with machine.reach("127.0.0.1", port):
                raise ZeroDivisionError
