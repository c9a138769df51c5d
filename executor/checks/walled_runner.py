"""Runs pytest inside the walls and seals what it saw; copied there as text, never imported by the daemon.

The code under test lives in the same process, so it could write any report and end that process with code 0.
It cannot write the seal: its key is read and removed before any of that code is loaded, and what is kept of
it is an object in C that only takes more bytes.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest

_RANK = {"passed": 0, "skipped": 1, "failed": 2}


class Witness:
    """Keeps each test's worst outcome, and the plugins of the repository that take part in the run."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.intruders: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test counts as passed when its call was; an expected failure counts as skipped."""
        outcome = "skipped" if hasattr(report, "wasxfail") else report.outcome
        if report.when != "call" and outcome == "passed":
            return
        known = self.outcomes.get(report.nodeid, "passed")
        self.outcomes[report.nodeid] = max(known, outcome, key=_RANK.__getitem__)

    def pytest_plugin_registered(self, plugin: object, manager: Any) -> None:
        """A conftest may hold fixtures; one with hooks could change what is run and reported."""
        if _from_workspace(plugin) and manager.get_hookcallers(plugin):
            self.intruders.append(getattr(plugin, "__name__", type(plugin).__name__))


def main(key_file: str, sealed: str, reports: str, arguments: list[str]) -> int:
    """Run pytest with `arguments`; write outcomes and the digests of its reports to `sealed`."""
    seal = hashlib.blake2b(key=_taken(key_file))
    witness = Witness()
    code = int(pytest.main(arguments, plugins=[witness]))
    lines = [f"exit {code}"]
    lines += [f"file {_digest(Path(reports, name))} {name}" for name in ("junit.xml", "coverage.json")]
    lines += [f"intruder {name}" for name in witness.intruders]
    lines += [f"{outcome} {' '.join(name.splitlines())}" for name, outcome in witness.outcomes.items()]
    document = "\n".join(lines).encode("utf-8", "backslashreplace")
    seal.update(document)
    Path(sealed).write_bytes(seal.hexdigest().encode() + b"\n" + document)
    return code


def _taken(path: str) -> bytes:
    key = Path(path).read_bytes()
    Path(path).unlink()
    return key


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


def _from_workspace(plugin: object) -> bool:
    module = sys.modules.get(type(plugin).__module__, plugin)
    file = getattr(plugin, "__file__", None) or getattr(module, "__file__", None)
    return type(plugin) is not Witness and not str(file).startswith(sys.prefix)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
