"""Reading the report of a test run, which the code under test could have touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from junitparser.junitparser import JUnitXmlError

_LARGEST_REPORT = 16 << 20


@dataclass(frozen=True, slots=True)
class TestCounts:
    """What the report says; `problem` is why it cannot be read."""

    __test__ = False

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: tuple[str, ...] = ()
    problem: str = ""

    @property
    def executed(self) -> int:
        """Tests that ran to a result."""
        return self.passed + self.failed


def read_junit(path: Path) -> TestCounts:
    """Count the results of a junit file that is a plain file of at most 16 MiB without a document type."""
    if path.is_symlink() or not path.is_file():
        return TestCounts(problem="the run left no report")
    if path.stat().st_size > _LARGEST_REPORT:
        return TestCounts(problem="the report is too large to be one")
    content = path.read_bytes()
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        return TestCounts(problem="the report declares entities, which the test runner never does")
    try:
        report = JUnitXml.fromstring(content)
    except (JUnitXmlError, SyntaxError, ValueError) as error:
        return TestCounts(problem=f"the report cannot be read: {error}")
    return _counted(report)


def _counted(report: JUnitXml | TestSuite) -> TestCounts:
    passed = failed = skipped = 0
    failures: list[str] = []
    for case in _cases(report):
        kinds = {type(result) for result in case.result}
        if kinds & {Failure, Error}:
            failed += 1
            failures.append(f"{case.classname}::{case.name}")
        elif Skipped in kinds:
            skipped += 1
        else:
            passed += 1
    return TestCounts(passed, failed, skipped, tuple(failures))


def _cases(report: JUnitXml | TestSuite) -> Iterator[TestCase]:
    for part in report:
        if isinstance(part, TestCase):
            yield part
        else:
            yield from _cases(part)
