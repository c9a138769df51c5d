"""A commit's files written out as they are: read by git, written by us, never by its checkout."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from pathlib import Path

from executor.adapters.git_tree import MOST_BYTES, MOST_FILES, check_path
from executor.adapters.programs import end_program, start_program
from executor.errors import Permanent, Transient
from executor.unbroken import unbroken

_MODES = {"100644": 0o644, "100755": 0o755}


async def export_tree(
    listing: bytes, argv: Sequence[str], env: Mapping[str, str], into: Path, *, timeout: float
) -> None:
    """Write what `ls-tree -r -z` lists into the empty directory, asking `cat-file --batch` for each blob.

    Links are made last, so that no file is ever written through one. Raises Permanent for an unsafe path,
    a submodule, a tree too large or a directory that is not empty; Transient after `timeout` seconds.
    """
    entries = [_entry(line) for line in listing.decode("utf-8", "surrogateescape").split("\0") if line]
    if len(entries) > MOST_FILES:
        raise Permanent(f"The commit holds more than {MOST_FILES} files.", hint="Build from a smaller tree.")
    await asyncio.to_thread(_prepare, into)
    process = await start_program(argv, env=env, cwd=Path("/"))
    try:
        async with asyncio.timeout(timeout):
            await _write_all(process, sorted(entries, key=lambda entry: entry[0] == "120000"), into)
    except TimeoutError as error:
        raise Transient(
            "git did not hand out the commit's files in time.", hint="It is tried again."
        ) from error
    finally:
        await end_program(process)


def _entry(line: str) -> tuple[str, str, str]:
    head, _, path = line.partition("\t")
    mode, kind, digest = head.split(" ")
    check_path(path)
    if kind != "blob" or mode not in {*_MODES, "120000"}:
        raise Permanent(f"The commit holds {path!r}, which is no file.", hint="Submodules are not built.")
    return mode, digest, path


def _prepare(into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    if any(into.iterdir()):
        raise Permanent(f"The directory {into.name} is not empty.", hint="A checkout starts from nothing.")


async def _write_all(process: Process, entries: list[tuple[str, str, str]], into: Path) -> None:
    total = 0
    for mode, digest, path in entries:
        data = await _blob(process, digest, MOST_BYTES - total)
        total += len(data)
        await unbroken(asyncio.to_thread(_write, into / path, mode, data))
    if process.stdin is not None:
        process.stdin.close()


async def _blob(process: Process, digest: str, room: int) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise Permanent("git was started without pipes.")
    process.stdin.write(f"{digest}\n".encode())
    await process.stdin.drain()
    head = (await process.stdout.readline()).decode().split()
    if len(head) != 3 or head[1] != "blob":
        raise Permanent(f"The repository lacks {digest}.", hint="Restore it from a backup, or build anew.")
    if int(head[2]) > room:
        raise Permanent(f"The commit holds more than {MOST_BYTES >> 20} MiB.", hint="Build a smaller tree.")
    return (await process.stdout.readexactly(int(head[2]) + 1))[:-1]


def _write(target: Path, mode: str, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if mode == "120000":
        target.symlink_to(os.fsdecode(data))
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
        file.write(data)
    # Whatever the umask: the same commit gives the same modes.
    target.chmod(_MODES[mode])
