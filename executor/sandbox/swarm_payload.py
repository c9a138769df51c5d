"""What travels to a job and back: the writable trees under a key, and the files that the caller wants."""

from __future__ import annotations

import base64
import binascii
import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from executor.errors import Permanent
from executor.sandbox.base import Bind, SandboxCommand, SandboxResult
from executor.sandbox.docker_argv import environment
from executor.sandbox.swarm_runner import LINE, sealed

LARGEST = 8 << 20
"""Bytes of one job's writable trees together, compressed; the swarm's managers keep them while it runs."""
PIECE = 480 << 10
"""Bytes of one docker config, which may hold 500 KiB."""


@dataclass(frozen=True, slots=True)
class JobEnd:
    """What a job's runner told: the result, and the wanted files by their paths inside."""

    result: SandboxResult
    files: Mapping[str, bytes]


def pack(command: SandboxCommand, key: bytes) -> list[bytes]:
    """Return the job and its writable trees in pieces; raises Permanent when they are too large."""
    writable = [bind for bind in command.binds if bind.writable]
    limits = command.limits
    job = {
        "argv": command.argv,
        "cwd": command.cwd,
        "env": environment(command.env),
        "writable": [bind.target for bind in writable],
        "results": command.results,
        "wall_seconds": limits.wall_seconds,
        "output_bytes": limits.output_bytes,
    }
    files = {"job.json": json.dumps(job).encode()}
    files |= {f"{number}.tar": _tree(bind.source) for number, bind in enumerate(writable)}
    data = zlib.compress(_tar(files), 6)
    if len(data) > LARGEST:
        raise Permanent(
            f"The files of this test run have {len(data) >> 20} MiB, more than the {LARGEST >> 20} MiB that"
            " travel to a swarm with each run.",
            hint='Remove large files from the repository, or set [sandbox] tests_on = "here".',
        )
    data = sealed(data, key)
    return [data[at : at + PIECE] for at in range(0, len(data), PIECE)]


def read_log(log: bytes, command: SandboxCommand) -> JobEnd | None:
    """Read the runner's lines; None while some are missing. Raises Permanent for what the runner refused."""
    told = _told(log)
    if told is None:
        return None
    if "error" in told:
        raise Permanent(f"The job's runner failed: {told['error']}", hint="See the node's docker log.")
    left_out = told["left_out"]
    note = f"Too large to come back: {', '.join(left_out)}." if left_out else ""
    if told["timed_out"]:
        note = f"Killed after {command.limits.wall_seconds:g} s."
    result = SandboxResult(
        exit_code=int(told["exit_code"]),
        output=str(told["output"]),
        output_bytes=int(told["output_bytes"]),
        timed_out=bool(told["timed_out"]),
        seconds=float(told["seconds"]),
        note=note,
    )
    return JobEnd(result, {path: base64.b64decode(text) for path, text in told["files"].items()})


def home_of(path: str, binds: tuple[Bind, ...]) -> tuple[Path, str]:
    """Return the writable tree that a path inside belongs to, and its name there; Permanent if none."""
    inside = PurePosixPath(path)
    for bind in sorted(binds, key=lambda bind: -len(bind.target)):
        if bind.writable and inside.is_relative_to(bind.target):
            return bind.source, str(inside.relative_to(bind.target))
    raise Permanent(f"{path} lies in no writable directory of its job.")


def _told(log: bytes) -> dict[str, Any] | None:
    lines: dict[int, str] = {}
    whole = -1
    for line in log.decode("ascii", "replace").splitlines():
        words = line.split()
        if len(words) == 4 and words[0] == LINE and words[1].isdigit() and words[2].isdigit():
            lines[int(words[1])], whole = words[3], int(words[2])
    if len(lines) != whole:
        return None
    try:
        text = "".join(lines[number] for number in range(whole))
        told: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(text)))
    except (KeyError, binascii.Error, zlib.error, ValueError):
        return None
    return told


def _tree(source: Path) -> bytes:
    if not source.is_dir():
        raise Permanent(f"{source} is no directory, so no job on a swarm can write it.")
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for child in sorted(source.iterdir()):
            tar.add(child, child.name)
    return file.getvalue()


def _tar(files: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()
