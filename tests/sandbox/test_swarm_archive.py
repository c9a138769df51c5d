"""The image of a job: which one it is, and what goes into it."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from executor.sandbox.base import Bind, SandboxCommand
from executor.sandbox.swarm_archive import planned, write_archive


@pytest.fixture
def command(places) -> SandboxCommand:
    venv, settings = places.venvs / "abc", places.scratch("settings")
    (venv / "bin").mkdir(parents=True)
    (venv / "lib.py").write_text("whole")
    (venv / "bin/python").symlink_to("/usr/bin/python3")
    os.utime(venv / "lib.py", (1_700_000_000, 1_700_000_000))
    (settings / "ini").write_text("setting")
    (settings / "ini").chmod(0o600)
    writable = Bind(places.scratch("out"), "/out", writable=True)
    return SandboxCommand(("x",), (writable, Bind(venv, "/venv"), Bind(settings, "/settings")), heavy=True)


def _digest(command: SandboxCommand, places, base: str = "python:3.11-slim") -> str:
    return planned(command, base, "label", places).digest


def _entries(archive: Path) -> tuple[str, dict[str, tarfile.TarInfo]]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive.read_bytes()))) as outer:
        dockerfile = outer.extractfile("Dockerfile").read().decode()
        with tarfile.open(fileobj=outer.extractfile("root.tar")) as root:
            return dockerfile, {entry.name: entry for entry in root}


def test_an_image_is_another_one_when_its_base_or_what_may_be_read_is_another(command, places):
    first = _digest(command, places)
    assert _digest(command, places) == first
    assert _digest(command, places, "python:3.12-slim") != first
    (command.binds[0].source / "new").write_text("what may be written does not count")
    assert _digest(command, places) == first
    (command.binds[2].source / "ini").write_text("another setting")
    assert _digest(command, places) != first


def test_the_image_holds_the_runner_and_what_may_only_be_read_and_nothing_else(command, places, tmp_path):
    write_archive(planned(command, "base:1", "label", places), tmp_path / "a.tar.gz")
    dockerfile, entries = _entries(tmp_path / "a.tar.gz")
    assert dockerfile.startswith("FROM base:1\n")
    assert '["python3", "-I", "-S", "/fpai/executor/sandbox/swarm_settle.py", "/venv"]' in dockerfile
    top = {name.split("/")[0] for name in entries}
    assert top == {"fpai", "venv", "settings"}
    assert entries["venv/bin/python"].linkname == "/usr/bin/python3"
    assert {(entry.uid, entry.gid) for entry in entries.values()} == {(0, 0)}
    assert entries["settings/ini"].mode == 0o644  # its reader there is another user


def test_a_venv_keeps_its_times_since_its_bytecode_is_valid_by_them(command, places, tmp_path):
    write_archive(planned(command, "base:1", "label", places), tmp_path / "a.tar.gz")
    _, entries = _entries(tmp_path / "a.tar.gz")
    assert entries["venv/lib.py"].mtime == 1_700_000_000
    assert entries["settings/ini"].mtime == 0


def test_the_same_image_gives_the_same_bytes_so_that_a_broken_transfer_goes_on(command, places, tmp_path):
    image = planned(command, "base:1", "label", places)
    first = write_archive(image, tmp_path / "a.tar.gz")
    os.utime(command.binds[2].source / "ini", (1, 1))
    assert write_archive(image, tmp_path / "b.tar.gz") == first
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()
