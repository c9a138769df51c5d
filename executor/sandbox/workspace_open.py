"""Opening a file below a directory without ever following a link out of it, or any link at all.

Source: "file names" in the project's trust notes: openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, else
a walk with O_NOFOLLOW.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, Sequence
from functools import cache

Opener = Callable[[int, Sequence[str], int], int]
"""Opens the segments below a directory's descriptor with the given flags and returns the new descriptor.

Raises OSError: ELOOP or ENOTDIR where a link is in the way, as the system says otherwise. Creates nothing.
"""

_OPENAT2 = 437  # the same on every architecture, since it is newer than their common numbering
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_ALWAYS = os.O_CLOEXEC | os.O_NOFOLLOW
_PASSAGE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def opener() -> Opener:
    """The kernel's own way where there is one (Linux 5.6, and no filter in front of it), else the walk."""
    return by_kernel if _kernel_can() else by_walk


def by_kernel(root: int, parts: Sequence[str], flags: int) -> int:
    """Open in one call of the kernel, which refuses every link and every step outside."""
    how = _How(flags | _ALWAYS, 0, _NO_MAGICLINKS | _NO_SYMLINKS | _BENEATH)
    path = "/".join(parts) or "."
    got = int(_libc().syscall(_OPENAT2, root, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how)))
    if got < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return got


def by_walk(root: int, parts: Sequence[str], flags: int) -> int:
    """Open segment by segment, each relative to the one before and none through a link."""
    here = os.open(".", _PASSAGE, dir_fd=root)
    try:
        for part in parts[:-1]:
            below = os.open(part, _PASSAGE, dir_fd=here)
            os.close(here)
            here = below
        return os.open(parts[-1] if parts else ".", flags | _ALWAYS, dir_fd=here)
    finally:
        os.close(here)


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc


@cache
def _kernel_can() -> bool:
    root = os.open("/", _PASSAGE)
    try:
        os.close(by_kernel(root, (), _PASSAGE))
    except OSError as error:
        if error.errno in {errno.ENOSYS, errno.EPERM, errno.EINVAL}:
            return False
        raise
    finally:
        os.close(root)
    return True
