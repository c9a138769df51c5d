"""The skeleton of a new release: rendered anew, but for the files that somebody has edited since they were.

A record in the repository has a digest of every file as it was rendered: an edit shows in any later release.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from executor.agent.template import rendered_files, write_file
from executor.domain.droplet import DropletIdentity

RECORD = "docs/skeleton.json"


def lay_skeleton(
    identity: DropletIdentity, *, created: str, into: Path, keep_edits: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write the skeleton into a checkout of the release before, or into an empty directory.

    Returns the names that were written and those that were kept because they had been edited; without
    `keep_edits` nothing is kept. A release without a record is taken as not edited. Raises Permanent as
    `render_template` does.
    """
    files, before = rendered_files(identity, created), _record(into)
    kept = {name for name in files if keep_edits and before is not None and _was_edited(into, name, before)}
    written = {name: text for name, text in files.items() if name not in kept}
    for name, text in written.items():
        write_file(into, name, text)
    digests = {name: _digest(text.encode()) for name, text in sorted(written.items())}
    write_file(into, RECORD, json.dumps(digests, indent=1) + "\n")
    return tuple(sorted(written)), tuple(sorted(kept))


def _was_edited(root: Path, name: str, before: dict[str, str]) -> bool:
    """True for a file that is not as it was rendered; one that was removed stays removed by nobody's wish."""
    path = root / name
    return path.is_file() and before.get(name) != _digest(path.read_bytes())


def _record(root: Path) -> dict[str, str] | None:
    path = root / RECORD
    if path.is_symlink() or not path.is_file():
        return None
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError):
        return {}  # it was edited, so everything else counts as edited too
    return {str(k): str(v) for k, v in known.items()} if isinstance(known, dict) else {}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
