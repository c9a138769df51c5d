"""Run while a job's image is built: venvs made for one machine's Python are tied to that of the image.

The compiled packages of a venv are for one minor version of Python, so the image has to have the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

OTHER_PYTHON = "fpai: other Python"


def settle(venv: Path) -> None:
    """Point the venv's interpreter at the one that runs this; exits, saying so, if its version is another."""
    here = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    made_for = [path.name for path in (venv / "lib").glob("python3.*")]
    if here not in made_for:
        sys.exit(f"{OTHER_PYTHON}: {here} in the image, {', '.join(made_for)} in the venv")
    real = Path(sys.executable).resolve()
    (venv / "bin/python").unlink()
    (venv / "bin/python").symlink_to(real)
    lines = (venv / "pyvenv.cfg").read_text("utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("home", "version_info"))]
    (venv / "pyvenv.cfg").write_text("\n".join([f"home = {real.parent}", *kept, ""]), "utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        settle(Path(name))
