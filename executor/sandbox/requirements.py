"""Reading a requirements file that we did not write: names, versions and hashes, and nothing else.

A resolver obeys far more than that (other files, other indexes, paths, git addresses), and it runs outside
the walls, so every such line is refused before it is started.
"""

from __future__ import annotations

import re

from executor.errors import ReleaseAtFault

_REQUIREMENT = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*\s*"  # a name
    r"(\[[A-Za-z0-9._,\s-]*\]\s*)?"  # extras
    r"([<>=!~][0-9A-Za-z.*+!,<>=~_ \t]*?)?\s*"  # versions
    r"(;[^#]*?)?"  # a marker
    r"(\s+--hash[= ](sha256|sha384|sha512):[0-9a-fA-F]+)*"
)


def checked_requirements(text: str) -> None:
    """Raise ReleaseAtFault if a line is anything but a comment or a pinned, ranged or bare package name."""
    for line in _logical_lines(text):
        if not _REQUIREMENT.fullmatch(line) or "://" in line:
            raise ReleaseAtFault(
                f"The requirement {line[:120]!r} is not a plain package name with versions.",
                hint="Options, paths, addresses and other files are not followed: name packages only.",
                log=line[:400],
            )


def _logical_lines(text: str) -> list[str]:
    joined = re.sub(r"\\\r?\n", " ", text)
    stripped = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in stripped if line]
