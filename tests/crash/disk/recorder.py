"""The recorder of a process's disk operations: compiled here, its log read here."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEAD = struct.Struct("<cIQQ")
_SOURCE = Path(__file__).with_name("recorder.c")
COMPILER = shutil.which("cc") or shutil.which("gcc")


@dataclass(frozen=True, slots=True)
class Operation:
    """One record of the log; `kind` is a letter as recorder.c lists them."""

    kind: str
    path: str
    offset: int
    data: bytes


def compiled(into: Path) -> Path:
    """The shared object to preload."""
    target = into / "recorder.so"
    argv = [str(COMPILER), "-O2", "-shared", "-fPIC", "-o", str(target), str(_SOURCE), "-ldl", "-lpthread"]
    subprocess.run(argv, check=True)
    return target


def preload(recorder: Path, directory: Path, log: Path | None = None, **more: str) -> dict[str, str]:
    """The environment that makes a process record what it does in `directory`."""
    words = {"LD_PRELOAD": str(recorder), "FPAI_RECORD_DIR": str(directory), **more}
    return words if log is None else {**words, "FPAI_RECORD_LOG": str(log)}


def acknowledge(log: Path, what: str) -> None:
    """Note in the log that somebody outside has been told `what`, after everything that is in it by now."""
    data = what.encode()
    with log.open("ab", buffering=0) as file:
        file.write(_HEAD.pack(b"A", 0, 0, len(data)) + data)


def operations(log: Path, directory: Path) -> list[Operation]:
    """All records, their paths relative to the directory."""
    return list(_read(log.read_bytes(), str(directory)))


def _read(text: bytes, directory: str) -> Iterator[Operation]:
    at = 0
    while at < len(text):
        kind, path_length, offset, length = _HEAD.unpack_from(text, at)
        at += _HEAD.size
        path = text[at : at + path_length].decode()
        at += path_length
        data = text[at : at + length]
        at += length
        if kind == b"R":
            data = os.path.relpath(data.decode(), directory).encode()
        yield Operation(kind.decode(), os.path.relpath(path, directory) if path else "", offset, data)
