"""What no reader of the source would see: compiled code, links, files that are too large or oddly encoded."""

from __future__ import annotations

import io
import os
import tokenize
from collections.abc import Iterator
from pathlib import Path

from executor.checks.rules import judged
from executor.domain.findings import Finding

_COMPILED = frozenset({".pyc", ".pyo", ".so", ".pyd", ".dll", ".dylib", ".egg", ".whl", ".pyz", ".pth"})
_UNREAD_DIRECTORIES = frozenset({"__pycache__", ".venv", "node_modules"})
_LARGEST_FILE = 1 << 20
_MOST_FILES = 5000


def check_legible(root: Path) -> Finding:
    """F2: nothing hides from the checks that read the source, though Python would run it."""
    return judged("F2", "Everything in the repository can be read", list(_hidden(root)))


def _hidden(root: Path) -> Iterator[str]:
    count = 0
    for here, directories, names in os.walk(root, followlinks=False):
        if Path(here) == root and ".git" in directories:
            directories.remove(".git")
        for name in sorted((*directories, *names)):
            path, count = Path(here, name), count + 1
            problem = _problem(path)
            if problem:
                yield f"{path.relative_to(root)} {problem}"
        directories[:] = [name for name in directories if name not in _UNREAD_DIRECTORIES]
    if count > _MOST_FILES:
        yield f"{count} files and directories are more than are read"


def _problem(path: Path) -> str:
    if path.is_symlink():
        return "is a link"
    if path.is_dir():
        return "is a directory that nobody reads" if path.name in _UNREAD_DIRECTORIES else ""
    if path.suffix in _COMPILED:
        return "is not source"
    if path.stat().st_size > _LARGEST_FILE:
        return "is larger than 1 MiB"
    return _encoding_problem(path.read_bytes()) if path.suffix == ".py" else ""


def _encoding_problem(content: bytes) -> str:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        content.decode("utf-8")
    except (SyntaxError, UnicodeDecodeError):
        return "is not UTF-8"
    return "" if encoding in {"utf-8", "utf-8-sig"} else f"declares the encoding {encoding}"
