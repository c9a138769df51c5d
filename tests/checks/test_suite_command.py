"""The command that runs a droplet's tests."""

from pathlib import Path

from executor.checks.suite_command import suite_command
from executor.sandbox.base import Limits


def test_the_suite_may_run_elsewhere_and_brings_back_all_that_is_read():
    command = suite_command(Path("/s"), Path("/v"), frozenset({"pytest_cov"}), Limits())
    assert command.heavy
    assert set(command.results) == {"/out/sealed", "/out/junit.xml", "/out/coverage.json"}
    words = " ".join(command.argv)
    assert all(path in words for path in command.results)
