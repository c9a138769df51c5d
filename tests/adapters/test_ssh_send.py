"""Large files arrive whole or not at all, and what a cut wire has brought over is not sent again."""

import asyncio
import fcntl
import hashlib
import os
import time
from pathlib import Path

import pytest

from executor.adapters.ssh import SshMachine
from executor.errors import Permanent, Transient
from tests.fakes.cut_proxy import CutProxy
from tests.fakes.ssh_servers import SshServer, asyncssh_server, opened
from tests.proof.ledger import Ledger

SIZE = 9_000_017
OVERHEAD = 64 << 10  # handshake, channel requests and the cipher's padding
WINDOW = 2 << 20  # what a server may have taken and drops with the connection: the window of a channel


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "image.tar"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "there" / "it's $HOME" / "image.tar"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


async def send(machine: SshMachine, source: Path, target: Path) -> int:
    """Send as the runner does: again after Transient, until the receiver of a cut connection has ended."""
    while True:
        try:
            return await machine.send(source, str(target), sha256=sha256(source))
        except Transient as error:
            assert error.retry_after, error
            await asyncio.sleep(0.02)


async def test_a_file_arrives_whole_for_its_owner_only(
    ssh_server: SshServer, source: Path, target: Path
) -> None:
    told: list[int] = []
    async with opened(ssh_server) as machine:
        sent = await machine.send(source, str(target), sha256=sha256(source), told=told.append)
    assert (sent, told[-1], sorted(told)) == (SIZE, SIZE, told)
    assert len(told) > 5
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_mode & 0o777 == 0o600
    assert names(target) == ["image.tar"]


async def test_a_file_that_is_there_already_is_not_sent(
    ssh_server: SshServer, source: Path, target: Path
) -> None:
    async with CutProxy(ssh_server.port) as proxy, opened(ssh_server, proxy.port) as machine:
        await send(machine, source, target)
        before, inode = proxy.sent, target.stat().st_ino
        assert await send(machine, source, target) == 0
        assert proxy.sent - before < OVERHEAD
    assert target.stat().st_ino == inode


async def test_an_empty_file_arrives(ssh_server: SshServer, source: Path, target: Path) -> None:
    source.write_bytes(b"")
    async with opened(ssh_server) as machine:
        assert await send(machine, source, target) == 0
    assert target.read_bytes() == b""


@pytest.mark.parametrize("percent", [0, 1, 50, 99, 100])
async def test_r4_after_a_cut_the_rest_is_sent_and_the_file_is_whole(
    ssh_server: SshServer, source: Path, target: Path, percent: int, ledger: Ledger
) -> None:
    part = target.with_name("image.tar.part")
    async with CutProxy(ssh_server.port) as proxy, opened(ssh_server, proxy.port) as machine:
        await machine.run(["true"])
        proxy.cut_after = proxy.sent + SIZE * percent // 100
        with pytest.raises(Transient, match="was lost"):
            await machine.send(source, str(target), sha256=sha256(source))
        assert not target.exists()
        while target.with_name("image.tar.lock").exists():
            await asyncio.sleep(0.01)  # until the receiver has ended
        have = part.stat().st_size if part.exists() else 0
        assert SIZE * percent // 100 - OVERHEAD - WINDOW <= have <= SIZE * percent // 100
        proxy.heal()
        before = proxy.sent
        sent = await send(machine, source, target)
        assert target.read_bytes() == source.read_bytes()
        assert sent == SIZE - have
        assert sent <= proxy.sent - before <= sent * 1.01 + OVERHEAD
    assert not part.exists()
    assert names(target) == ["image.tar"]
    ledger.tried("cuts of an upload over SSH")


async def test_r3_when_only_the_answer_is_lost_nothing_is_sent_again(
    ssh_server: SshServer, source: Path, target: Path, ledger: Ledger
) -> None:
    async with CutProxy(ssh_server.port) as proxy, opened(ssh_server, proxy.port) as machine:

        def deaf(done: int) -> None:
            if done == SIZE:
                proxy.mute()

        sending = asyncio.create_task(machine.send(source, str(target), sha256=sha256(source), told=deaf))
        while not target.exists():
            await asyncio.sleep(0.01)
        proxy.cut()
        with pytest.raises(Transient, match="was lost"):
            await sending
        proxy.heal()
        assert await send(machine, source, target) == 0
    ledger.tried("lost replies of a host")


async def test_a_cancelled_transfer_is_ended_there_and_continued(
    ssh_server: SshServer, source: Path, target: Path
) -> None:
    reached = asyncio.Event()
    async with CutProxy(ssh_server.port) as proxy, opened(ssh_server, proxy.port) as machine:

        def told(done: int) -> None:
            if done > SIZE // 2:
                proxy.stall()
                reached.set()

        sending = asyncio.create_task(machine.send(source, str(target), sha256=sha256(source), told=told))
        await reached.wait()
        proxy.heal()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert not target.exists()
        part = target.with_name("image.tar.part").stat().st_size
        assert 0 < part < SIZE
        assert await send(machine, source, target) == SIZE - part
        assert proxy.opened == 1
    assert target.read_bytes() == source.read_bytes()


async def test_a_part_that_cannot_be_of_this_file_is_thrown_away(
    ssh_server: SshServer, source: Path, target: Path
) -> None:
    part = target.with_name("image.tar.part")
    target.parent.mkdir(parents=True)
    async with opened(ssh_server) as machine:
        part.write_bytes(b"x" * (SIZE + 1))  # too long
        assert await send(machine, source, target) == SIZE
        target.unlink()
        part.write_bytes(b"x" * 100)  # of something else
        with pytest.raises(Transient, match="arrived damaged"):
            await machine.send(source, str(target), sha256=sha256(source))
        assert not target.exists()
        assert not part.exists()
        assert await send(machine, source, target) == SIZE
        target.write_bytes(b"x" * SIZE)  # put there by somebody else
        assert await send(machine, source, target) == SIZE
    assert target.read_bytes() == source.read_bytes()


async def test_of_two_at_once_one_sends_and_the_other_is_told_when_to_come_again(
    ssh_server: SshServer, source: Path, target: Path
) -> None:
    digest = sha256(source)
    async with opened(ssh_server) as one, opened(ssh_server) as two:
        said = await asyncio.gather(
            *(who.send(source, str(target), sha256=digest) for who in (one, two, one, two)),
            return_exceptions=True,
        )
        assert SIZE in said
        for other in said:
            assert other in (SIZE, 0) or (isinstance(other, Transient) and other.retry_after)
        assert said.count(SIZE) == 1
        assert await send(two, source, target) == 0
    assert target.read_bytes() == source.read_bytes()
    assert names(target) == ["image.tar"]


async def test_a_receiver_whose_sender_vanished_is_ended_after_a_minute_of_nothing(
    ssh_server: SshServer, source: Path, target: Path
) -> None:
    """The sshd there may notice a dead network after hours only; its cat holds the lock for that long."""
    part = target.with_name("image.tar.part")
    async with (
        CutProxy(ssh_server.port) as proxy,
        opened(ssh_server, proxy.port, connect_timeout=0.5) as lost,
    ):

        def told(done: int) -> None:
            if done > SIZE // 2:
                proxy.stall()

        with pytest.raises(Transient, match="was lost"):
            await lost.send(source, str(target), sha256=sha256(source), told=told)
        async with opened(ssh_server) as other:
            for _ in range(3):
                with pytest.raises(Transient, match="another transfer"):
                    await other.send(source, str(target), sha256=sha256(source))
            have = part.stat().st_size
            os.utime(part, (time.time() - 61,) * 2)
            assert await send(other, source, target) == SIZE - have
    assert target.read_bytes() == source.read_bytes()


async def test_a_lock_that_a_dead_holder_left_is_no_obstacle(
    ssh_server: SshServer, source: Path, target: Path
) -> None:
    target.parent.mkdir(parents=True)
    lock = target.with_name("image.tar.lock")
    lock.write_bytes(b"")
    async with opened(ssh_server) as machine:
        with lock.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(Transient, match="another transfer") as caught:
                await machine.send(source, str(target), sha256=sha256(source))
            assert caught.value.retry_after
        assert await send(machine, source, target) == SIZE


async def test_a_source_that_shrinks_meanwhile_is_never_taken_for_whole(
    ssh_server: SshServer, source: Path, target: Path
) -> None:
    def told(done: int) -> None:
        os.truncate(source, SIZE // 2)

    async with opened(ssh_server) as machine:
        with pytest.raises(Transient, match="broke off"):
            await machine.send(source, str(target), sha256=sha256(source), told=told)
    assert not target.exists()


async def test_what_cannot_be_written_or_read_is_told(
    ssh_server: SshServer, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    async with opened(ssh_server) as machine:
        with pytest.raises(Permanent, match=r"file/x on box cannot be written: .*(exists|directory)"):
            await machine.send(source, str(tmp_path / "file/x"), sha256=sha256(source))
        with pytest.raises(Permanent, match=r"none cannot be read: No such file"):
            await machine.send(tmp_path / "none", str(tmp_path / "x"), sha256="0")


async def test_a_full_disk_is_known_though_the_words_come_in_two_pieces(
    source: Path, target: Path, tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    words = "printf 'cat: write error' >&2; sleep 0.3; echo ': No space left on device' >&2; exit 1"
    (tools / "cat").write_text(f"#!/bin/sh\n{words}\n")
    (tools / "cat").chmod(0o755)
    async with asyncssh_server(tmp_path) as server, opened(server) as machine:
        server.path = f"{tools}:{server.path}"
        with pytest.raises(Transient, match="no space is left"):
            await machine.send(source, str(target), sha256=sha256(source))


async def test_a_host_without_the_tools_is_told_which_to_install(
    ssh_server: SshServer, source: Path, target: Path, tmp_path: Path
) -> None:
    """The script in a host's own sh with a PATH that has no flock."""
    from executor.adapters import ssh_files

    tools = tmp_path / "bin"
    tools.mkdir()
    async with opened(ssh_server) as machine:
        words = [str(target), str(target.parent), "1", "0"]
        done = await machine.run(["env", f"PATH={tools}", "/bin/sh", "-c", ssh_files.SEND, "fpai", *words])
    with pytest.raises(Permanent, match="lacks flock or sha256sum") as caught:
        ssh_files.judge(done, str(target), "box")
    assert "util-linux" in caught.value.hint
