"""Where everything that lives behind the walls lies on disk.

A sandbox that runs as its own uid cannot reach below a home of mode 0700, so a daemon that runs as root keeps
these directories under /var/lib, in one directory for each state directory.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from executor.errors import Invalid, Permanent
from executor.sandbox.identity import SANDBOX_UID, release_uid

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LONGEST_SOCKET_ROOT = 64  # sun_path holds 107 bytes; a directory and a name must still fit behind it
_MINE, _PASSAGE, _READABLE = 0o700, 0o711, 0o755


@dataclass(frozen=True, slots=True)
class Places:
    """Directories of one state directory. `uid` is the daemon's; as root, children go to who needs them."""

    root: Path
    uid: int

    @classmethod
    def of(cls, state_dir: Path, *, base: Path = Path("/var/lib/fpai")) -> Places:
        """Find the places of a state directory: below `base` as root, below the state directory otherwise."""
        state, uid = state_dir.resolve(), os.geteuid()
        return cls(base / _digest(state) if uid == 0 else state / "places", uid)

    @property
    def changes_uid(self) -> bool:
        """True where the daemon may give a sandbox and each droplet a uid of its own."""
        return self.uid == 0

    @property
    def sandbox_uid(self) -> int | None:
        """The uid to change to before a sandboxed command, None where there is only the daemon's."""
        return SANDBOX_UID if self.changes_uid else None

    @property
    def venvs(self) -> Path:
        """Venvs by digest: written by the daemon, read by everyone behind the walls."""
        return self._below("venvs", _READABLE)

    @property
    def caches(self) -> Path:
        """The package resolver's home and cache: the daemon's alone."""
        return self._below("caches", _MINE)

    @property
    def launches(self) -> Path:
        """One note for each release that a service manager is to start."""
        return self._below("launch", _MINE)

    @property
    def sockets(self) -> Path:
        """The parent of socket directories, kept short enough for a unix socket's address."""
        here = self.root / "sockets"
        if len(str(here)) > _LONGEST_SOCKET_ROOT:
            here = Path(tempfile.gettempdir()) / f"fpai-{self.uid}-{_digest(self.root)}"
            return _refuse_foreign(self._directory(here, _PASSAGE), self.uid)
        return self._below("sockets")

    def workspace(self, build_id: str) -> Path:
        """Return the directory in which one build's files are written and run, made on first use."""
        return self._owned(self._below("workspaces") / safe_name(build_id), self.sandbox_uid)

    def scratch(self, prefix: str) -> Path:
        """Make a new empty directory that a sandbox may write; whoever asked removes it."""
        return self._fresh(self._below("scratch"), prefix)

    def socket_directory(self, prefix: str) -> Path:
        """Make a new directory for one service's unix socket; whoever asked removes it."""
        return self._fresh(self.sockets, prefix)

    def releases(self, droplet: str) -> Path:
        """Return the directory that holds one droplet's releases."""
        return self._directory(self._below("releases") / safe_name(droplet), _PASSAGE)

    def release(self, droplet: str, release_id: str) -> Path:
        """Return where one release lies; it is not made here, so that its presence means something."""
        return self.releases(droplet) / safe_name(release_id)

    def data(self, droplet: str, droplet_id: int) -> Path:
        """Return the one directory that a droplet's releases may write; it outlives each of them."""
        owner = release_uid(droplet_id) if self.changes_uid else None
        return self._owned(self._below("data") / safe_name(droplet), owner)

    def holds(self, path: Path) -> bool:
        """Tell whether a path, its links followed, lies in one of these places."""
        real = path.resolve()
        return real.is_relative_to(self.root.resolve()) or real.is_relative_to(self.sockets.resolve())

    def _below(self, name: str, mode: int = _PASSAGE) -> Path:
        self._directory(self.root, _PASSAGE)
        return self._directory(self.root / name, mode)

    def _fresh(self, parent: Path, prefix: str) -> Path:
        made = Path(tempfile.mkdtemp(prefix=f"{safe_name(prefix)}-", dir=parent))
        return self._owned(made, self.sandbox_uid)

    def _owned(self, path: Path, owner: int | None) -> Path:
        self._directory(path, _MINE)
        if owner is not None and path.lstat().st_uid != owner:
            os.chown(path, owner, owner, follow_symlinks=False)
        return path

    def _directory(self, path: Path, mode: int) -> Path:
        if path.is_dir():
            return path
        try:
            if not path.parent.is_dir():
                self._directory(path.parent, _PASSAGE)
            path.mkdir(mode=mode, exist_ok=True)
            path.chmod(mode)  # mkdir's mode passes through the umask
        except OSError as error:
            raise Permanent(
                f"The directory {path} cannot be made ({error.strerror}), so nothing can run in its walls.",
                hint="Make it writable for the daemon's user, or choose another [state] dir.",
            ) from error
        return path


def safe_name(name: str) -> str:
    """Return `name` if it can stand as one path segment anywhere; raise Invalid otherwise."""
    if not _SAFE_NAME.fullmatch(name):
        raise Invalid(
            f"{name!r} cannot be used as a file name.", hint="Use letters, digits, '.', '_' and '-'."
        )
    return name


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def _refuse_foreign(path: Path, uid: int) -> Path:
    if path.is_symlink() or path.stat().st_uid != uid:
        raise Permanent(
            f"{path} belongs to another user.", hint="Remove it, or choose a shorter [state] dir."
        )
    return path
