"""Runs pytest inside the walls and seals what it saw; copied there as text, never imported by the daemon.

The code under test lives in the same process, so it could write any report and end that process with code 0.
It cannot write the seal: its key is read and removed before any of that code is loaded, and what is kept of
it is an object in C that only takes more bytes. Nor is a report believed that a test passed, since reports
can be changed on their way: the witness sees each call itself, and that what is called is what was collected.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Generator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

_RANK = {"passed": 0, "skipped": 1, "failed": 2}


class Witness:
    """Keeps each test's worst outcome, and the plugins of the repository that take part in the run."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.intruders: list[str] = []
        self._collected: dict[str, CodeType | None] = {}
        self._passed: set[str] = set()

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Remember which code a test has, before any test runs that could put other code in its place."""
        self._collected[item.nodeid] = _code(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Only a call that returns is a pass."""
        if self._collected.get(pyfuncitem.nodeid) is not _code(pyfuncitem):
            self.intruders.append(f"what stands in for {pyfuncitem.nodeid}")
        result = yield
        self._passed.add(pyfuncitem.nodeid)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test counts as passed when its call was; an expected failure counts as skipped."""
        outcome = "skipped" if hasattr(report, "wasxfail") else report.outcome
        if report.when != "call" and outcome == "passed":
            return
        if outcome == "passed" and report.nodeid not in self._passed:
            self.intruders.append(f"what passed {report.nodeid} without a call of a pytest function")
            outcome = "failed"
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
    sys.modules["__main__"] = ModuleType("__main__")  # nobody finds this module's functions to replace them
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


def _code(item: pytest.Item) -> CodeType | None:
    """The code of the test as it is written: pytest-asyncio calls it from a wrapper of its own."""
    called: Any = getattr(item, "obj", None)
    code: CodeType | None = getattr(called, "__code__", None)
    if code is not None and code.co_filename.startswith(sys.prefix):
        code = getattr(inspect.unwrap(called), "__code__", None)
    return code


def _from_workspace(plugin: object) -> bool:
    module = sys.modules.get(type(plugin).__module__, plugin)
    file = getattr(plugin, "__file__", None) or getattr(module, "__file__", None)
    return type(plugin) is not Witness and not str(file).startswith(sys.prefix)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
