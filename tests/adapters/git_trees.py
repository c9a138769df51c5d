"""What judges a tree that went through git."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

WHEN = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def same(one: Path, other: Path) -> bool:
    """Whether two trees are alike byte for byte; a link is its target's name."""
    argv = ["diff", "-r", "--no-dereference", one, other]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def run_git(repository: Path, *words: str, stdin: bytes = b"") -> str:
    """What real git says in this repository, past our adapter."""
    argv = ["git", "--git-dir", repository, *words]
    return subprocess.run(argv, input=stdin, capture_output=True, check=True).stdout.decode().strip()
