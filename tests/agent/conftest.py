"""One virtual environment for every rendered droplet of a session."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from executor.resources import config_dir

UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="session")
def droplet_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds exactly what a droplet's requirements.txt names."""
    venv = tmp_path_factory.mktemp("droplet") / "venv"
    requirements = config_dir() / "template" / "requirements.txt"
    python = venv / "bin" / "python"
    for argv in (
        [UV, "venv", "-q", "--python", "/usr/bin/python3", venv],
        [UV, "pip", "sync", "-q", "--python", python, requirements],
    ):
        subprocess.run([str(part) for part in argv], check=True, env=dict(os.environ))
    return python
