"""What has to survive power loss: a name is on the disk only once its directory was synced (trust.md, R5)."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

_CANNOT_BE_SYNCED = {errno.EINVAL, errno.ENOTSUP}


def sync(path: Path) -> None:
    """Return once the file's content, or the names in the directory, are on the disk. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_BE_SYNCED or not path.is_dir():
            raise  # some file systems know no sync of a directory: there is nothing to wait for
    finally:
        os.close(handle)


def make_directory(path: Path, mode: int) -> None:
    """Make a directory and those above it where they are missing, all with names on the disk.

    One that is there already is synced again: whoever made it may not have come so far. Raises OSError.
    """
    missing = [one for one in path.parents if not one.exists()]
    path.mkdir(parents=True, exist_ok=True, mode=mode)
    with suppress(PermissionError):  # a directory that may not be listed cannot be synced either
        for one in (*reversed(missing), path):
            sync(one.parent)
