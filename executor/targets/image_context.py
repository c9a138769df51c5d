"""What a build of an image is given: the files of one commit, looked at before docker sees them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from executor.errors import ReleaseAtFault
from executor.sandbox.requirements import checked_requirements
from executor.targets.dockerfile import Dockerfile, read_dockerfile

_MOST_BYTES = 256 << 10


def checked_context(source: Path) -> Dockerfile:
    """Read the Dockerfile of a release's source, whose files have to be plain ones without links.

    Raises ReleaseAtFault for a link, for a Dockerfile that is not allowed, and for requirements that name
    more than packages: pip obeys options, paths and addresses in them, as root and with a network.
    """
    for path in _links(source):
        raise ReleaseAtFault(
            f"{path.relative_to(source).as_posix()!r} is a link; the image was not built.",
            hint="A droplet's repository holds plain files only.",
        )
    dockerfile = read_dockerfile(source)
    requirements = source / "requirements.txt"
    if requirements.is_file():
        if requirements.stat().st_size > _MOST_BYTES:
            raise ReleaseAtFault(f"requirements.txt is longer than {_MOST_BYTES >> 10} KiB.")
        checked_requirements(requirements.read_text("utf-8", "replace"))
    return dockerfile


def _links(source: Path) -> Iterator[Path]:
    for here, directories, names in os.walk(source):
        yield from (path for name in (*directories, *names) if (path := Path(here, name)).is_symlink())
