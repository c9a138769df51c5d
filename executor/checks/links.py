"""A droplet holds plain files: a link could show the daemon's own files to whoever reads it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from executor.checks.rules import judged
from executor.domain.findings import Finding


def check_links(root: Path) -> Finding:
    """F2: nothing in the checkout is a symbolic link, wherever it leads."""
    problems = [f"{name!r} is a link" for name in sorted(_links(root))]
    return judged("F2", "The repository holds no links", problems)


def _links(root: Path) -> Iterator[str]:
    for here, directories, names in os.walk(root, followlinks=False):
        for name in (*directories, *names):
            path = Path(here, name)
            if path.is_symlink():
                yield str(path.relative_to(root))
