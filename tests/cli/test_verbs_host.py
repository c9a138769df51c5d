"""config and serve: what fpai does on this machine without asking the daemon."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parents[2]


def test_config_show_is_toml_again_and_hides_the_token(run: Run) -> None:
    env = {"FPAI_SERVER__TOKEN": "t0ken-canary", "FPAI_SERVER__PORT": "9000", "GITHUB_TOKEN": "gh-canary"}
    done = run("config", "show", env=env)
    shown = tomllib.loads(done.stdout)
    assert shown["server"]["port"] == 9000 and shown["server"]["token"] == "[set]"
    assert "GITHUB_TOKEN" in done.stdout
    assert "canary" not in done.stdout + done.stderr
    document = json.loads(run("config", "show", "--json", env=env).stdout)
    assert document["settings"] == shown and document["secrets"] == ["GITHUB_TOKEN"]


def test_config_check_says_which_key_was_meant_and_ends_with_78(run: Run, tmp_path: Path) -> None:
    (tmp_path / "executor.toml").write_text("[server]\nport = 8401\n")
    assert run("config", "check").returncode == 0
    assert json.loads(run("config", "check", "--json").stdout)["ok"] is True
    (tmp_path / "executor.toml").write_text("[server]\nprot = 8401\n")
    done = run("config", "check")
    assert done.returncode == 78
    assert "server.prot" in done.stderr and "server.port" in done.stderr


def test_a_config_file_that_is_not_there_is_78(run: Run) -> None:
    for arguments in (
        ["config", "show", "--config", "nowhere.toml"],
        ["config", "check", "--config", "nowhere.toml"],
    ):
        assert run(*arguments).returncode == 78


def test_python_m_executor_is_fpai_serve(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "executor", "--help"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert "fpai serve" in done.stdout and "Run the daemon" in done.stdout
