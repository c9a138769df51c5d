"""Looking for what should be dead."""

import os
from pathlib import Path


def alive(marker: str) -> list[str]:
    """Command lines of processes of this machine that carry the marker, ours left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if marker in line and int(path.parent.name) != os.getpid():
            found.append(line)
    return found
