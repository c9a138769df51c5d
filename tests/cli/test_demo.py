"""`make demo` spends no money by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from executor.cli.demo import daemon_environment


def demo(
    served: Any, environment: dict[str, str], cwd: Path, **more: str
) -> subprocess.CompletedProcess[str]:
    env = environment | {"FPAI_URL": served.url, "FPAI_SERVER__TOKEN": "a-token-of-this-test"} | more
    command = [sys.executable, "-m", "executor.cli.demo", "Build Notes Droplet"]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=cwd, env=env)


def submitted(served: Any) -> bool:
    return any(method == "POST" for method, _, _ in served.fake.requests)


def test_the_demos_own_daemon_calls_no_model_unless_one_was_chosen() -> None:
    assert daemon_environment({"PATH": "x"}) == {"PATH": "x", "FPAI_MODEL__PROVIDER": "scaffold"}
    assert daemon_environment({"FPAI_MODEL__PROVIDER": ""})["FPAI_MODEL__PROVIDER"] == "scaffold"
    chosen = {"FPAI_MODEL__PROVIDER": "anthropic"}
    assert daemon_environment(chosen) == chosen


def test_a_daemon_that_would_call_a_model_is_not_given_the_demos_build(
    served: Any, environment: dict[str, str], tmp_path: Path
) -> None:
    served.fake.provider = "anthropic"
    done = demo(served, environment, tmp_path)
    assert done.returncode == 1
    assert "costs money" in done.stderr and "FPAI_MODEL__PROVIDER=anthropic" in done.stderr
    assert not submitted(served)


def test_a_model_that_was_chosen_builds_the_demo(
    served: Any, environment: dict[str, str], tmp_path: Path
) -> None:
    served.fake.provider = "anthropic"
    served.fake.submitted = {"status": "failed", "last_seq": 1}
    done = demo(served, environment, tmp_path, FPAI_MODEL__PROVIDER="anthropic")
    assert submitted(served), done.stderr
    assert done.returncode == 1
