"""Files of one workspace by names that a model chose: nothing outside is ever read or written."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from executor.errors import Invalid, NotFound
from executor.sandbox.workspace_errors import named_errors, refused, too_large, what
from executor.sandbox.workspace_names import parts_of
from executor.sandbox.workspace_open import Opener, opener

LARGEST_FILE = 1 << 20
"""Bytes of the largest file that is read or written here, 1 MiB."""
MOST_ENTRIES = 1_000
"""Names in one listing."""
_DEPTH = 2
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_FILE = os.O_RDONLY | os.O_NONBLOCK  # a pipe without a writer must not hold the daemon
_ENDING = {stat.S_IFDIR: "/", stat.S_IFLNK: "@"}
_DIRECTORY_MODE, _FILE_MODE, _PROGRAM_MODE = 0o755, 0o644, 0o755


class Workspace:
    """The files below `root`, which lies where only the daemon and `owner` may write.

    What is written belongs to `owner`, the uid that runs behind the walls; None leaves it with the daemon.
    A name is relative, or begins with `/ws/`. Every method raises Invalid for a name that leads outside,
    through a link, into `.git` or to anything but a plain file or directory. A link is never followed, so a
    directory that is swapped for one while we work leads nowhere either.
    """

    def __init__(self, root: Path, owner: int | None, *, by: Opener | None = None) -> None:
        self._root = root
        self._owner = owner
        self._open_beneath = by or opener()

    def read(self, name: str, limit: int = LARGEST_FILE) -> bytes:
        """Return a file's bytes; raises NotFound, and Invalid for one that holds more than `limit` bytes."""
        with self._opened(name, _FILE) as fd:
            seen = os.fstat(fd)
            if not stat.S_ISREG(seen.st_mode):
                raise refused(name, what(seen.st_mode), "Name a file.")
            if seen.st_size > limit:
                raise too_large(name, seen.st_size, limit)
            with os.fdopen(fd, "rb", closefd=False) as file:
                data = file.read(limit + 1)
        if len(data) > limit:  # it has grown since
            raise too_large(name, len(data), limit)
        return data

    def write(self, name: str, data: bytes, limit: int = LARGEST_FILE) -> None:
        """Put `data` in the place of a file, whole or not at all; parents are made, a program stays one.

        Raises Invalid for more than `limit` bytes, and where a directory, a link or a special file stands.
        """
        parts = parts_of(name)
        if not parts:
            raise refused(name, "is the workspace itself", "Name a file in it.")
        if len(data) > limit:
            raise too_large(name, len(data), limit)
        with named_errors(name), self._parent(parts[:-1]) as parent:
            mode = _replaceable(parent, parts[-1], name)
            self._put(parent, parts[-1], data, mode)

    def exists(self, name: str) -> bool:
        """True for a plain file or a directory."""
        return self.is_directory(name) or self._kind(name) == stat.S_IFREG

    def is_directory(self, name: str) -> bool:
        """True for a directory, and for the workspace itself."""
        return self._kind(name) == stat.S_IFDIR

    def listing(self, name: str = "") -> list[str]:
        """What lies in a directory, two levels deep, by names from the workspace's root and sorted.

        Directories end with `/`, links with `@`; hidden names and `__pycache__` are left out, and so is
        everything after the first 1,000. Raises NotFound.
        """
        found = []
        for entry in self._entries(parts_of(name), _DEPTH, name):
            found.append(entry)
            if len(found) >= MOST_ENTRIES:
                break
        return sorted(found)

    def _entries(self, parts: Sequence[str], depth: int, name: str) -> Iterator[str]:
        for own, mode in self._scanned(parts, name):
            here = (*parts, own)
            yield "/".join(here) + _ENDING.get(mode, "")
            if mode == stat.S_IFDIR and depth > 1:
                with suppress(NotFound, Invalid):  # gone, or swapped for something else, since it was listed
                    yield from self._entries(here, depth - 1, "/".join(here))

    def _scanned(self, parts: Sequence[str], name: str) -> list[tuple[str, int]]:
        found = []
        with self._opened("/".join(parts), _DIRECTORY, name) as fd, os.scandir(fd) as scan:
            for entry in scan:
                if entry.name[0] == "." or entry.name == "__pycache__" or not entry.name.isprintable():
                    continue
                link = stat.S_IFLNK if entry.is_symlink() else 0
                found.append((entry.name, stat.S_IFDIR if entry.is_dir(follow_symlinks=False) else link))
        return sorted(found)

    def _kind(self, name: str) -> int:
        try:
            with self._opened(name, os.O_PATH) as fd:
                return stat.S_IFMT(os.fstat(fd).st_mode)
        except NotFound:
            return 0
        except Invalid:
            parts_of(name)  # a name that may not be is still said to be one
            return 0

    @contextmanager
    def _opened(self, name: str, flags: int, said: str | None = None) -> Iterator[int]:
        parts = parts_of(name)
        with named_errors(name if said is None else said):
            with self._rooted() as root:
                fd = self._open_beneath(root, parts, flags)
            try:
                yield fd
            finally:
                os.close(fd)

    @contextmanager
    def _rooted(self) -> Iterator[int]:
        root = os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield root
        finally:
            os.close(root)

    @contextmanager
    def _parent(self, parts: Sequence[str]) -> Iterator[int]:
        """The directory that is to hold a file, made with all above it where it is missing."""
        with self._rooted() as root:
            here = self._open_beneath(root, (), _DIRECTORY)
            try:
                for part in parts:
                    below = self._stepped(here, part)
                    os.close(here)
                    here = below
                yield here
            finally:
                os.close(here)

    def _stepped(self, here: int, part: str) -> int:
        try:
            return self._open_beneath(here, (part,), _DIRECTORY)
        except FileNotFoundError:
            with suppress(FileExistsError):  # a command beside us was first
                os.mkdir(part, _DIRECTORY_MODE, dir_fd=here)
        below = self._open_beneath(here, (part,), _DIRECTORY)
        self._give(below, _DIRECTORY_MODE)
        return below

    def _put(self, parent: int, last: str, data: bytes, mode: int) -> None:
        made = f".fpai-{secrets.token_hex(8)}"
        fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=parent)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(data)
                file.flush()
                self._give(fd, mode)
            os.rename(made, last, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(made, dir_fd=parent)
            raise

    def _give(self, fd: int, mode: int) -> None:
        os.fchmod(fd, mode)
        if self._owner is not None:
            os.fchown(fd, self._owner, self._owner)


def _replaceable(parent: int, last: str, name: str) -> int:
    """The mode of the file to come; raises Invalid where something other than a file stands."""
    try:
        seen = os.stat(last, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return _FILE_MODE
    if not stat.S_ISREG(seen.st_mode):
        raise refused(name, what(seen.st_mode), "Choose another name, or remove it first.")
    return _PROGRAM_MODE if seen.st_mode & stat.S_IXUSR else _FILE_MODE
