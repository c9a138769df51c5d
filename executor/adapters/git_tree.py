"""The files of a work tree that somebody else wrote: listed without following links, refused when unsafe."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from executor.errors import Permanent

MOST_FILES = 20_000
MOST_BYTES = 256 << 20
LONGEST_PATH = 1_000
# What tools leave behind; none of it belongs into a commit.
LEFTOVERS = frozenset({"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".hypothesis", ".venv"})
_HINT = "Remove it from the tree and try again."
# Characters that HFS+ ignores inside a name, so that `.g\u200cit` would be `.git` there.
_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


@dataclass(frozen=True, slots=True)
class TreeFile:
    """`path` is relative with `/`; `mode` as git writes it; `link` is a symbolic link's target."""

    path: str
    mode: str
    link: bytes | None = None


def scan_tree(root: Path) -> list[TreeFile]:
    """Every file and link below `root`, sorted by path.

    Raises Permanent for a name git must not see, a socket, device or pipe, and for more than 20,000 files or
    256 MiB in all.
    """
    found: list[TreeFile] = []
    size = 0
    for entry in _walk(root):
        file, bytes_ = _file(entry, os.path.relpath(entry.path, root))
        found.append(file)
        size += bytes_
        if len(found) > MOST_FILES or size > MOST_BYTES:
            raise Permanent(
                f"The tree holds more than {MOST_FILES} files or {MOST_BYTES >> 20} MiB.",
                hint="Keep data and dependencies out of the repository.",
            )
    return sorted(found, key=lambda file: file.path)


def check_path(path: str) -> None:
    """Raise Permanent for a path that could leave the tree or be taken for a part of a repository."""
    parts = path.split("/")
    if not path or len(path) > LONGEST_PATH or any(part in {"", ".", ".."} for part in parts):
        raise Permanent(f"The path {path[:200]!r} is not inside the tree.", hint=_HINT)
    if not path.isprintable() or "\\" in path:
        raise Permanent(
            f"The name {path[:200]!r} holds characters that a file here may not have.", hint=_HINT
        )
    for part in parts:
        if _is_git(part):
            raise Permanent(
                f"The tree holds {path[:200]!r}, which git would take for a repository.", hint=_HINT
            )


def _is_git(name: str) -> bool:
    """`.git` as any file system may read it: case, ignored characters, NTFS short names and streams."""
    plain = _IGNORED.sub("", name).lower().split(":")[0].rstrip(" .")
    return plain in {".git", "git~1"} or bool(re.fullmatch(r"\.git(modules)?", plain))


def _walk(directory: Path | str) -> list[os.DirEntry[str]]:
    found: list[os.DirEntry[str]] = []
    waiting = [os.fspath(directory)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.name in LEFTOVERS:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    check_path(entry.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
                    waiting.append(entry.path)
                else:
                    found.append(entry)
        if len(found) > MOST_FILES:
            break
    return found


def _file(entry: os.DirEntry[str], path: str) -> tuple[TreeFile, int]:
    check_path(path)
    seen = entry.stat(follow_symlinks=False)
    if stat.S_ISLNK(seen.st_mode):
        return TreeFile(path, "120000", os.fsencode(Path(entry.path).readlink())), 0
    if not stat.S_ISREG(seen.st_mode):
        raise Permanent(f"{path!r} is neither a file, a directory nor a link.", hint=_HINT)
    return TreeFile(path, "100755" if seen.st_mode & stat.S_IXUSR else "100644"), seen.st_size
