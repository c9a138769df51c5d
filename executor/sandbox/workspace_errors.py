"""What a workspace says of a file that it does not read or write, in words that help to mend the call."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from executor.errors import Invalid, NotFound, Transient
from executor.sandbox.workspace_names import shown

# The machine's doing, not the name's.
_OURS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
)
_WHY = {
    errno.ELOOP: "leads through a symbolic link, and links are not followed",
    errno.ENOTDIR: "leads through a file or a symbolic link as if it were a directory",
    errno.ENXIO: "is a socket or a pipe",
    errno.EISDIR: "is a directory",
}


@contextmanager
def named_errors(name: str) -> Iterator[None]:
    """Turn the system's errors into NotFound, Invalid, or Transient where the disk is at fault."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"There is no {shown(name)}.") from error
    except OSError as error:
        if error.errno in _OURS:
            raise Transient(
                f"The files of the workspace cannot be reached now ({error.strerror}).",
                hint="Free some space and check the disk; the build goes on by itself.",
            ) from error
        raise refused(name, _WHY.get(error.errno or 0, f"cannot be opened ({error.strerror})")) from error


def what(mode: int) -> str:
    """What a file is that is not a plain one."""
    if stat.S_ISDIR(mode):
        return "is a directory"
    return "is a symbolic link, and links are not followed" if stat.S_ISLNK(mode) else "is no plain file"


def refused(name: str, why: str, hint: str = "Name a plain file in the workspace.") -> Invalid:
    """The error for a name that cannot be used."""
    return Invalid(f"{shown(name)} {why}.", hint=hint)


def too_large(name: str, size: int, limit: int) -> Invalid:
    """The error for a file, or a text for one, of too many bytes."""
    return Invalid(
        f"{shown(name)} has {size:,} bytes, more than the {limit:,} that are handled at once.",
        hint="Work on it in parts with bash (sed -n '1,200p', head, tail), or make it smaller.",
    )
