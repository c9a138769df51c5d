"""Where the files under config/ are: the checkout's own folder, or the copy inside an installed wheel."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def config_dir() -> Path:
    """Return the folder that holds template/, foundation/, systemd/ and the locks.

    Raises FileNotFoundError when neither a checkout nor a wheel's copy is there.
    """
    package = Path(str(files("executor")))
    for candidate in (package / "_config", package.parent / "config"):
        if (candidate / "template").is_dir():
            return candidate
    raise FileNotFoundError(f"the executor's config folder is missing beside {package}")
