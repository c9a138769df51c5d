"""Giving a tree of files to the uid that runs behind the walls, and taking it back."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


async def hand_over(path: Path, uid: int | None) -> None:
    """Give a file or a whole tree to `uid`; links are given, never followed. None changes nothing."""
    if uid is not None:
        await asyncio.to_thread(_give, path, uid)


async def take_back(path: Path) -> None:
    """Give a file or a whole tree back to the daemon's own uid, if it may change owners at all."""
    if os.geteuid() == 0:
        await asyncio.to_thread(_give, path, 0)


async def remove_tree(path: Path) -> None:
    """Remove a tree whatever modes its owner has set; what is already gone is not an error."""
    await asyncio.to_thread(remove_tree_now, path)


def remove_tree_now(path: Path) -> None:
    """Remove a tree as `remove_tree` does, in the calling thread."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
        return

    def retry(act: Callable[..., object], failed: str, failure: object) -> None:
        _open_and_remove(Path(failed), path)

    shutil.rmtree(path, onerror=retry)


def _give(path: Path, uid: int) -> None:
    _give_one(path.name, uid, path.lstat(), None, path)
    if not stat.S_ISDIR(path.lstat().st_mode):
        return
    for _, directories, files, here in os.fwalk(path, follow_symlinks=False):
        for name in (*directories, *files):
            _give_one(name, uid, os.stat(name, dir_fd=here, follow_symlinks=False), here, Path(name))


def _give_one(name: str, uid: int, seen: os.stat_result, here: int | None, path: Path) -> None:
    if seen.st_uid != uid or seen.st_gid != uid:
        os.chown(path if here is None else name, uid, uid, dir_fd=here, follow_symlinks=False)


def _open_and_remove(where: Path, tree: Path) -> None:
    """Whatever is in the way is opened and removed; another remover may be at work on the same tree.

    Nothing above the tree is touched: others live there, and have to pass.
    """
    with suppress(FileNotFoundError):
        if where != tree:
            where.parent.chmod(0o700)
        if where.is_dir() and not where.is_symlink():
            where.chmod(0o700)
            shutil.rmtree(where, onerror=_unless_gone)
        else:
            where.unlink(missing_ok=True)


def _unless_gone(
    act: Callable[..., object], path: str, failure: tuple[object, BaseException, object]
) -> None:
    if os.path.lexists(path):
        raise failure[1]
