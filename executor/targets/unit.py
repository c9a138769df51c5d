"""What `fpai-release@.service` runs, as root: `python -m executor.targets.unit LAUNCHES RELEASE_ID`.

It trusts the note in LAUNCHES only as far as its types: uid, binds and command follow from this program, the
daemon's user can choose none of them. Whatever root writes lies in the unit's own $STATE_DIRECTORY; the paths
of the note are opened by bubblewrap after the change of uid, so they show nothing that uid could not read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from executor.errors import Invalid
from executor.sandbox.identity import release_uid
from executor.sandbox.places import safe_name
from executor.targets import shepherd
from executor.targets.launch import Launch, orders

_NOTE_BYTES = 256 << 10
_OWN, _PASSAGE, _READABLE = 0o700, 0o711, 0o755


def main(arguments: Sequence[str]) -> int:
    """Run one release in the foreground; returns its exit code. Raises Invalid for a note that is not one."""
    launches, release_id = Path(arguments[0]), safe_name(arguments[1])
    launch = Launch.parsed(_read_note(launches / f"{release_id}.json"))
    if launch.release_id != release_id:
        raise Invalid(f"The note of {release_id} is for {launch.release_id}.")
    uid, state = release_uid(launch.droplet_id), Path(os.environ["STATE_DIRECTORY"])
    told = orders(
        launch,
        record=_directory(state / "run", release_id, _READABLE),
        data=_directory(state / "data", str(launch.droplet_id), _OWN, owner=uid),
        uid=uid,
        join=(),
        total_memory=True,  # the unit's own cgroup: MemoryMax and TasksMax
    )
    return shepherd.stay(told)


def _read_note(path: Path) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        return file.read(_NOTE_BYTES).decode("utf-8", "replace")


def _directory(parent: Path, name: str, mode: int, *, owner: int | None = None) -> Path:
    parent.mkdir(mode=_PASSAGE, parents=True, exist_ok=True)
    parent.chmod(_READABLE if owner is None else _PASSAGE)
    here = parent / name
    here.mkdir(mode=mode, exist_ok=True)
    here.chmod(mode)
    if owner is not None:
        os.chown(here, owner, owner, follow_symlinks=False)
    return here


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
