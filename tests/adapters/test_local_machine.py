"""This machine keeps the same promises as one over SSH: bounded programs, whole files, continued copies."""

import asyncio
import fcntl
import hashlib
import os
import sys
from pathlib import Path

import pytest

from executor.adapters.local_machine import LocalMachine
from executor.adapters.machine import Machine
from executor.errors import Permanent, Transient

SIZE = 5_000_003


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return LocalMachine(tmp_path / "state" / "things")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "image.tar"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "there" / "a b" / "image.tar"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def send(machine: Machine, source: Path, target: Path) -> int:
    return await machine.send(source, str(target), sha256=sha256(source))


async def test_its_name_address_and_root(machine: Machine, tmp_path: Path) -> None:
    assert (machine.name, machine.address) == ("local", "127.0.0.1")
    assert await machine.root() == str(tmp_path / "state/things")
    assert (tmp_path / "state/things").stat().st_mode & 0o777 == 0o700
    assert await machine.root() == str(tmp_path / "state/things")
    await machine.aclose()


async def test_a_program_gets_its_words_its_input_and_a_small_environment(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_TOKEN", "canary")
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/mine")
    code = (
        "import os, sys; print(sys.argv[1:], sys.stdin.read(), sorted(os.environ), os.environ['DOCKER_HOST'])"
    )
    done = await machine.run([sys.executable, "-I", "-c", code, "$HOME", "a b"], stdin=b"in")
    said = done.stdout.decode()
    assert said.startswith("['$HOME', 'a b'] in ['DOCKER_HOST', 'HOME', ")
    assert "unix:///run/mine" in said
    assert "CANARY" not in said


async def test_output_time_and_missing_programs_are_bounded_as_everywhere(machine: Machine) -> None:
    done = await machine.run(["head", "-c", "99999", "/dev/zero"], limit=1000)
    assert (len(done.stdout), done.dropped) == (1000, 98_999)
    with pytest.raises(Transient, match="did not finish within"):
        await machine.run(["sleep", "600"], timeout=0.2)
    with pytest.raises(Permanent, match="no-such-program cannot be started"):
        await machine.run(["no-such-program"])


async def test_a_small_file_is_written_whole_with_its_mode_and_parents(
    machine: Machine, tmp_path: Path
) -> None:
    path = tmp_path / "a b" / "c" / "env"
    await machine.write(str(path), b"old", mode=0o644)
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.parent.stat().st_mode & 0o777 == 0o700
    await machine.write(str(path), b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    assert [found.name for found in path.parent.iterdir()] == ["env"]


async def test_a_place_that_cannot_be_written_is_told_and_left_as_it_was(
    machine: Machine, tmp_path: Path, source: Path
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "directory").mkdir()
    with pytest.raises(Permanent, match=r"file/x on this machine cannot be written: .+"):
        await machine.write(str(tmp_path / "file/x"), b"a")
    with pytest.raises(Permanent, match=r"directory on this machine cannot be written: .+"):
        await machine.write(str(tmp_path / "directory"), b"a")
    with pytest.raises(Permanent, match=r"file/x on this machine cannot be written: .+"):
        await send(machine, source, tmp_path / "file/x")
    with pytest.raises(Permanent, match="none cannot be read: No such file"):
        await machine.send(tmp_path / "none", str(tmp_path / "x"), sha256="0")
    assert sorted(found.name for found in tmp_path.iterdir()) == ["directory", "file", "image.tar"]


async def test_a_large_file_is_copied_once(machine: Machine, source: Path, target: Path) -> None:
    told: list[int] = []
    assert await machine.send(source, str(target), sha256=sha256(source), told=told.append) == SIZE
    assert (told[-1], sorted(told)) == (SIZE, told)
    inode = target.stat().st_ino
    assert await send(machine, source, target) == 0
    assert target.stat().st_ino == inode
    assert target.read_bytes() == source.read_bytes()
    assert [found.name for found in target.parent.iterdir()] == ["image.tar"]


async def test_a_copy_that_broke_off_is_continued(machine: Machine, source: Path, target: Path) -> None:
    half = asyncio.Event()
    copying = asyncio.create_task(
        machine.send(source, str(target), sha256=sha256(source), told=lambda done: half.set())
    )
    await half.wait()
    copying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copying
    assert not target.exists()
    have = target.with_name("image.tar.part").stat().st_size
    assert 0 < have < SIZE
    assert await send(machine, source, target) == SIZE - have
    assert target.read_bytes() == source.read_bytes()


async def test_a_part_that_cannot_be_of_this_file_is_thrown_away(
    machine: Machine, source: Path, target: Path
) -> None:
    part = target.with_name("image.tar.part")
    target.parent.mkdir(parents=True)
    part.write_bytes(b"x" * (SIZE + 1))
    assert await send(machine, source, target) == SIZE
    target.unlink()
    part.write_bytes(b"x" * 100)
    with pytest.raises(Transient, match="arrived damaged"):
        await send(machine, source, target)
    assert not target.exists()
    assert not part.exists()
    target.write_bytes(b"x" * SIZE)
    assert await send(machine, source, target) == SIZE
    assert target.read_bytes() == source.read_bytes()


async def test_a_source_that_shrinks_meanwhile_is_never_taken_for_whole(
    machine: Machine, source: Path, target: Path
) -> None:
    with pytest.raises(Transient, match="broke off"):
        await machine.send(
            source, str(target), sha256=sha256(source), told=lambda done: os.truncate(source, SIZE // 2)
        )
    assert not target.exists()


async def test_a_copy_by_somebody_else_is_left_alone(machine: Machine, source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True)
    lock = target.with_name("image.tar.lock")
    with lock.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Transient, match="another transfer") as caught:
            await send(machine, source, target)
        assert caught.value.retry_after
        assert not target.exists()
    assert await send(machine, source, target) == SIZE
    assert not lock.exists()


async def test_of_many_copies_at_once_each_ends_whole_or_is_told_to_come_again(
    machine: Machine, source: Path, target: Path
) -> None:
    said = await asyncio.gather(*(send(machine, source, target) for _ in range(5)), return_exceptions=True)
    assert said.count(SIZE) == 1
    assert all(one in (SIZE, 0) or isinstance(one, Transient) for one in said)
    assert target.read_bytes() == source.read_bytes()


async def test_an_address_of_this_machine_is_reached_as_it_is(machine: Machine) -> None:
    async with machine.reach("127.0.0.1", 8000) as url:
        assert url == "http://127.0.0.1:8000"
    async with machine.reach("::1", 8000) as url:
        assert url == "http://[::1]:8000"
