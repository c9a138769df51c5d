"""The names by which a model calls files of its workspace, and which of them it may use."""

from __future__ import annotations

import re

from executor.errors import Invalid

INSIDE = "/ws"
"""Where the workspace lies inside the walls; names below it are taken as names in the workspace."""
_LONGEST_NAME = 1_000  # what git's tree scan takes (adapters/git_tree.py)
# Characters that HFS+ ignores inside a name, so that `.g\u200cit` would be `.git` there.
_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


def parts_of(name: str) -> tuple[str, ...]:
    """Split a name into its segments; none for the workspace itself.

    `app/x.py`, `./app/x.py` and `/ws/app/x.py` are the same file. Raises Invalid for a name that leads or
    could lead outside, that git would take for a part of a repository, or that no file may have.
    """
    inside = name
    if name.startswith("/"):
        if name != INSIDE and not name.startswith(f"{INSIDE}/"):
            raise _refused(name, "lies outside the workspace")
        inside = name.removeprefix(INSIDE)
    parts = tuple(part for part in inside.split("/") if part not in {"", "."})
    for part in parts:
        _check(part, name)
    if len(name) > _LONGEST_NAME:
        raise _refused(name, f"is longer than {_LONGEST_NAME} characters")
    return parts


def shown(name: str) -> str:
    """The name as the model sees the file: below `/ws`."""
    return "/".join((INSIDE, *parts_of(name)))


def _check(part: str, name: str) -> None:
    if part == "..":
        raise _refused(name, "leads upwards")
    if not part.isprintable() or "\\" in part:
        raise _refused(name, "holds a backslash, a control character or an invisible one")
    plain = _IGNORED.sub("", part).lower().split(":")[0].rstrip(" .")
    if plain in {".git", "git~1", ".gitmodules"}:
        raise _refused(name, "would be taken for a part of a git repository, which the executor keeps itself")


def _refused(name: str, why: str) -> Invalid:
    return Invalid(
        f"The name {name[:200]!r} {why}, so no file is read or written by it.",
        hint=f"Name a file below {INSIDE}, such as {INSIDE}/app/main.py.",
    )
