"""Tying a venv to the Python of an image."""

import subprocess
import sys
from pathlib import Path

import pytest

from executor.sandbox import swarm_settle


def _venv(root: Path, version: str) -> Path:
    (root / f"lib/python{version}/site-packages").mkdir(parents=True)
    (root / "bin").mkdir()
    (root / "bin/python").symlink_to("/nowhere/python3")
    (root / "pyvenv.cfg").write_text(
        "home = /nowhere\nversion_info = 3.0\ninclude-system-site-packages = false\n"
    )
    return root


def _settled(venv: Path) -> subprocess.CompletedProcess[str]:
    script = Path(swarm_settle.__file__)
    return subprocess.run(
        [sys.executable, "-I", "-S", script, venv], capture_output=True, text=True, check=False
    )


def test_a_venv_made_for_another_machine_runs_with_the_python_that_settles_it(tmp_path):
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    venv = _venv(tmp_path / "v", here)
    (venv / f"lib/python{here}/site-packages/only_here.py").write_text("word = 'found'\n")
    assert _settled(venv).returncode == 0
    asked = [venv / "bin/python", "-I", "-c", "import only_here, sys; print(only_here.word, sys.prefix)"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["found", str(venv)]


@pytest.mark.parametrize("version", ["3.8", "3.99"])
def test_a_venv_for_another_minor_version_is_refused_in_words_that_are_looked_for(tmp_path, version):
    done = _settled(_venv(tmp_path / "v", version))
    assert done.returncode != 0
    assert swarm_settle.OTHER_PYTHON in done.stderr and f"python{version} in the venv" in done.stderr
