"""The files of a release on disk: copied whole or not at all, for its uid to read and nobody to write."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

from executor.errors import Permanent, Transient
from executor.sandbox.ownership import remove_tree_now

_LEFT_OUT = shutil.ignore_patterns(".git", "__pycache__", ".pytest_cache", ".ruff_cache", ".venv")
_PASSAGE = 0o711


def install(source: Path, release: Path) -> Path:
    """Copy a source tree into a release directory and return where it lies; a copy that is there is kept.

    Raises Transient when the disk is full, Permanent when the tree cannot be read.
    """
    place = release / "source"
    if place.is_dir():
        return place
    made = release / f".source-{os.getpid()}-{threading.get_ident()}"
    try:
        release.mkdir(parents=True, exist_ok=True)
        release.chmod(_PASSAGE)
        remove_tree_now(made) if made.exists() else None
        shutil.copytree(source, made, symlinks=True, ignore=_LEFT_OUT)
        _close_to_writing(made)
        _settle(made, place)
    except (OSError, shutil.Error) as error:
        raise _in_words(error, source) from error
    return place


def _settle(made: Path, place: Path) -> None:
    try:
        made.rename(place)
    except OSError:
        if not place.is_dir():
            raise
        remove_tree_now(made)  # another start's copy of the same release was first


def _close_to_writing(tree: Path) -> None:
    for here, _, files in os.walk(tree):
        for name in files:
            path = Path(here, name)
            if not path.is_symlink():
                path.chmod(0o555 if path.stat().st_mode & 0o100 else 0o444)
        Path(here).chmod(0o555)


def _in_words(error: Exception, source: Path) -> Exception:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Transient("The disk is full, so the release cannot be installed.", hint="Free some space.")
    return Permanent(f"The release's files cannot be copied from {source}: {error}.")
