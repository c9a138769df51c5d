"""Small files are put in place whole or not at all, and are never readable by others on the way."""

import asyncio
import os
from pathlib import Path

import pytest

from executor.adapters.programs import Finished
from executor.adapters.ssh_files import judge
from executor.errors import Permanent, Transient
from tests.fakes.cut_proxy import CutProxy
from tests.fakes.ssh_servers import SshServer, opened
from tests.proof.ledger import Ledger


@pytest.mark.parametrize("content", [b"", b"\0\xff\n", b"a=b\n" * 300_000])
async def test_a_file_is_written_with_its_mode_and_its_missing_parents(
    ssh_server: SshServer, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "a b" / "it's" / "env"
    async with opened(ssh_server) as machine:
        await machine.write(str(path), content, mode=0o640)
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o777 == 0o640
        assert path.parent.stat().st_mode & 0o777 == 0o700
        await machine.write(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in path.parent.iterdir()] == ["env"]


async def test_r4_a_cut_in_the_middle_leaves_the_old_file(
    ssh_server: SshServer, tmp_path: Path, ledger: Ledger
) -> None:
    """sshd ends the input of what ran on a lost connection as if it were complete."""
    path = tmp_path / "config"
    path.write_bytes(b"old")
    async with CutProxy(ssh_server.port) as proxy, opened(ssh_server, proxy.port) as machine:
        await machine.run(["true"])
        proxy.cut_after = proxy.sent + 500_000
        with pytest.raises(Transient, match="was lost"):
            await machine.write(str(path), os.urandom(1_000_000))
        while any(found.name.endswith(".part") for found in tmp_path.iterdir()):
            await asyncio.sleep(0.01)  # the receiver has ended
        assert path.read_bytes() == b"old"
        proxy.heal()
        await machine.write(str(path), b"new")
    assert path.read_bytes() == b"new"
    ledger.tried("cuts of an upload over SSH")


async def test_writers_at_the_same_time_leave_one_whole_file(ssh_server: SshServer, tmp_path: Path) -> None:
    path = tmp_path / "config"
    contents = [bytes([48 + n]) * 200_000 for n in range(6)]
    async with opened(ssh_server) as machine:
        await asyncio.gather(*(machine.write(str(path), content) for content in contents))
    assert path.read_bytes() in contents


async def test_a_place_that_cannot_be_written_is_told(ssh_server: SshServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "directory").mkdir()
    async with opened(ssh_server) as machine:
        with pytest.raises(Permanent, match=r"file/x on box cannot be written: .+"):
            await machine.write(str(tmp_path / "file/x"), b"a")
        with pytest.raises(Permanent, match=r"directory on box cannot be written: .+"):
            await machine.write(str(tmp_path / "directory"), b"a")
    assert not list((tmp_path / "directory").iterdir())


async def test_a_full_disk_is_transient(ssh_server: SshServer) -> None:
    """/dev/full refuses every byte, as a full disk does; no file can be made beside it."""
    async with opened(ssh_server) as machine:
        done = await machine.run(["sh", "-c", "LC_ALL=C; export LC_ALL; cat >/dev/full"], stdin=b"abc")
    assert done.code == 1
    with pytest.raises(Transient, match=r"x on box cannot be written: no space is left there\."):
        judge(Finished(1, b"", done.stderr, 0), "x", "box")
