"""The droplet's files as text and syntax trees: read with care, never imported, never followed out."""

from __future__ import annotations

import ast
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LARGEST_FILE = 1 << 20
_MOST_FILES = 5000
# CPython 3.11 counts the depth of a syntax tree once for all threads and raises SystemError when two of them
# build trees at the same time (gh-106905), as the checks of two builds do.
_PARSING = threading.Lock()
_SKIPPED = frozenset({"__pycache__", ".git", ".venv", "node_modules"})


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One text file. `tree` is None for what is not Python or does not parse."""

    name: str
    text: str
    tree: ast.Module | None

    @property
    def is_python(self) -> bool:
        """True for a .py file."""
        return self.name.endswith(".py")

    @property
    def is_test(self) -> bool:
        """True below tests/."""
        return self.name.startswith("tests/")


@dataclass(frozen=True, slots=True)
class Checkout:
    """A commit in a directory of its own, its text files, and the venv of its requirements."""

    source: Path
    files: tuple[SourceFile, ...]
    commit: str
    venv: Path


def read_sources(root: Path) -> tuple[SourceFile, ...]:
    """Every text file of up to 1 MiB, sorted by name; links and binary files are left out."""
    return tuple(sorted(_files(root), key=lambda file: file.name))


def _files(root: Path) -> Iterator[SourceFile]:
    count = 0
    for here, directories, names in os.walk(root, followlinks=False):
        directories[:] = [name for name in directories if name not in _SKIPPED]
        for name in names:
            path = Path(here, name)
            count += 1
            if count > _MOST_FILES or path.is_symlink() or path.stat().st_size > _LARGEST_FILE:
                continue
            try:
                text = path.read_text("utf-8")
            except (UnicodeDecodeError, OSError):
                continue
            yield SourceFile(str(path.relative_to(root)), text, _parsed(path, text))


def _parsed(path: Path, text: str) -> ast.Module | None:
    if path.suffix != ".py":
        return None
    try:
        with _PARSING:
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
