"""The Verifier is loaded by the first build, not by the daemon's start."""

from __future__ import annotations

import subprocess
import sys

LATER = {"cryptography", "junitparser", "executor.checks.verifier"}


def test_the_daemons_modules_load_without_what_only_a_verdict_needs() -> None:
    script = "import sys, executor.app; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert LATER.isdisjoint(run.stdout.split())
