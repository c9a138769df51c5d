"""The image of a job: what it may only read, put on top of `[sandbox] image`, and the runner."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path

from executor.sandbox.base import Bind, SandboxCommand
from executor.sandbox.places import Places

_PACKAGE = Path(__file__).parents[1]
_RUNNER = ("__init__.py", "sandbox/__init__.py", "sandbox/output.py", "sandbox/swarm_runner.py")
_SETTLE = "sandbox/swarm_settle.py"
_THIS = "sandbox/swarm_archive.py"


@dataclass(frozen=True, slots=True)
class JobImage:
    """One image by its tag, which is a digest of all that goes into it."""

    base: str
    label: str
    binds: tuple[Bind, ...]
    venvs: tuple[str, ...]
    digest: str

    @property
    def tag(self) -> str:
        """The name under which every node knows it."""
        return f"fpai-job-{self.label}:{self.digest}"


def planned(command: SandboxCommand, base: str, label: str, places: Places) -> JobImage:
    """Return the image of what a command may only read.

    All of that is read here to tell one from the other, but for the venvs, which never change.
    """
    binds = tuple(bind for bind in command.binds if not bind.writable)
    venvs = tuple(bind.target for bind in binds if bind.source.parent == places.venvs)
    parts = [base, *(_digest(_PACKAGE / name) for name in (*_RUNNER, _SETTLE, _THIS))]
    for bind in binds:
        parts += [bind.target, bind.source.name if bind.target in venvs else _digest(bind.source)]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]
    return JobImage(base, label, binds, venvs, digest)


def write_archive(image: JobImage, archive: Path) -> str:
    """Write what `docker build` reads, the same bytes for the same image, and return their SHA-256.

    An archive that is there is whole: it is renamed into its place.
    """
    if not archive.exists():
        part = archive.with_name(f"{archive.name}.part")
        settle = json.dumps(["python3", "-I", "-S", f"/fpai/executor/{_SETTLE}", *image.venvs])
        dockerfile = f"FROM {image.base}\nUSER root\nADD root.tar /\nRUN {settle}\n"
        with (
            part.open("wb") as file,
            gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w|") as tar,
        ):
            _add(tar, "Dockerfile", dockerfile.encode())
            _add(tar, "root.tar", _root(image))
        part.rename(archive)
    with archive.open("rb") as whole:
        return hashlib.file_digest(whole, "sha256").hexdigest()


def _root(image: JobImage) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in (*_RUNNER, _SETTLE):
            _add(tar, f"fpai/executor/{name}", (_PACKAGE / name).read_bytes())
        for bind in image.binds:
            for path in _below(bind.source):
                inside = os.path.normpath(f"{bind.target}/{path.relative_to(bind.source)}").lstrip("/")
                _add_path(tar, path, inside, dated=bind.target in image.venvs)
    return file.getvalue()


def _below(source: Path) -> list[Path]:
    return [source, *sorted(source.rglob("*"))] if source.is_dir() else [source]


def _add_path(tar: tarfile.TarFile, path: Path, name: str, *, dated: bool) -> None:
    """Add a file, a link or a directory. A venv's keep their time: compiled bytecode is valid by it."""
    entry = tar.gettarinfo(path, name)
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = int(entry.mtime) if dated else 0
    entry.mode = 0o755 if entry.isdir() or entry.mode & stat.S_IXUSR else 0o644
    if entry.isreg() or entry.islnk():
        entry.type, entry.size = tarfile.REGTYPE, path.stat().st_size
        with path.open("rb") as content:
            tar.addfile(entry, content)
    elif entry.isdir() or entry.issym():
        tar.addfile(entry)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    tar.addfile(entry, io.BytesIO(content))


def _digest(source: Path) -> str:
    """The names and contents of a file or a tree; links count by where they lead."""
    total = hashlib.sha256()
    for path in _below(source):
        total.update(f"{path.relative_to(source)}\0".encode("utf-8", "surrogateescape"))
        if path.is_symlink():
            total.update(os.fsencode(path.readlink()))
        elif path.is_file():
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
