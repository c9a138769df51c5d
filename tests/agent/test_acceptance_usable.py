"""What the executor reads out of a SPEC for the hidden tests, however the SPEC is laid out."""

from __future__ import annotations

import subprocess
import sys

from executor.agent.acceptance_usable import numbered

TABLE = "|" + "-----------------------------|" * 6


def test_requirements_are_found_at_the_start_of_a_line_each_once():
    spec = "- **R1** one\n* R2 two\n| R3 | three |\n> R4\n### R5\n- **R1** again\nsee R9\n"
    assert numbered(spec) == ("R1", "R2", "R3", "R4", "R5")


def test_a_table_of_the_spec_does_not_hold_the_daemon():
    # In a process of its own, which can be ended: a regex that is stuck cannot.
    spec = f"{TABLE}\n- R1"
    code = f"from executor.agent.acceptance_usable import numbered; print(numbered({spec!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "('R1',)"
