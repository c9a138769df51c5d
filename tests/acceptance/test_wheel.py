"""The wheel alone, installed into an empty folder, builds a droplet."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.acceptance.daemon import running

ROOT = Path(__file__).parents[2]


def test_the_wheel_in_an_empty_folder_runs_a_scaffold_build(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    caches = shutil.ignore_patterns("__pycache__")
    for name in ("executor", "config"):
        shutil.copytree(ROOT / name, source / name, ignore=caches)
    for name in ("executor.toml", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip"]
    build = [
        *pip,
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        tmp_path / "dist",
        source,
    ]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    shutil.rmtree(source)

    # A venv of its own with this one's libraries behind it, so that nothing is downloaded for the test.
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    site = next((tmp_path / "venv").glob("lib/python3*/site-packages"))
    wheel = next((tmp_path / "dist").glob("*.whl"))
    target = [*pip, "install", "--quiet", "--no-deps", "--target", site, wheel]
    subprocess.run(target, check=True, capture_output=True, timeout=120)
    libraries = next(Path(sys.prefix).glob("lib/python3*/site-packages"))
    (site / "libraries.pth").write_text(f"{libraries}\n")
    fpai = tmp_path / "venv" / "bin" / "fpai"
    fpai.write_text(
        f"#!{tmp_path}/venv/bin/python\nimport sys\nfrom executor.cli.main import main\nsys.exit(main())\n"
    )
    fpai.chmod(0o755)

    where = subprocess.run(
        [tmp_path / "venv" / "bin" / "python", "-c", "import executor; print(executor.__file__)"],
        capture_output=True, text=True, check=True, cwd=home,
    )  # fmt: skip
    assert where.stdout.startswith(str(site))
    assert (site / "executor" / "_config" / "template" / ".gitignore").is_file()
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # ruff and uv come with the libraries
    with running(home, fpai, PATH=programs) as daemon:
        done = daemon.until(daemon.build("Build a droplet that stores coins with name and year"))
        assert done["status"] == "complete", done["error"]
