"""Noticing that a sandboxed command fills the disk, which no cgroup and no RLIMIT prevents."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

_INTERVAL = 0.25
_INODES = 100_000


async def filled(paths: Sequence[Path], allowed_bytes: int) -> str:
    """Return, in words, that the trees hold more than `allowed_bytes` or 100,000 files; until then, wait.

    They are measured only when their file system has lost half of that, so an ordinary run costs one
    statvfs every quarter of a second.
    """
    if not paths:
        await asyncio.Event().wait()
    free = _free(paths[0])
    while True:
        await asyncio.sleep(_INTERVAL)
        now = _free(paths[0])
        if free[0] - now[0] < allowed_bytes // 2 and free[1] - now[1] < _INODES // 2:
            continue
        size, count = await asyncio.to_thread(_measure, paths)
        if size > allowed_bytes or count > _INODES:
            return (
                f"it wrote {size >> 20} MiB in {count} files, more than the {allowed_bytes >> 20} MiB allowed"
            )


def _free(path: Path) -> tuple[int, int]:
    seen = os.statvfs(path)
    return seen.f_bavail * seen.f_frsize, seen.f_favail


def _measure(paths: Sequence[Path]) -> tuple[int, int]:
    size = count = 0
    for path in paths:
        for _, directories, files, here in os.fwalk(path, follow_symlinks=False):
            count += len(directories) + len(files)
            for name in files:
                try:
                    size += os.stat(name, dir_fd=here, follow_symlinks=False).st_blocks * 512
                except FileNotFoundError:
                    continue  # removed while we looked
    return size, count
