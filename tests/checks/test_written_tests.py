"""The tests that a source holds, and those among them that cannot fail."""

from __future__ import annotations

import ast

import pytest

from executor.checks.sources import SourceFile
from executor.checks.written_tests import check_substance, written_tests
from executor.domain.findings import Result


def file(text: str, name: str = "tests/test_a.py") -> tuple[SourceFile, ...]:
    return (SourceFile(name, text, ast.parse(text)),)


def test_tests_are_named_as_the_runner_names_them():
    text = """
import sys

def helper(): ...
def test_one(): ...
async def test_two(): ...

class TestThree:
    def test_inner(self): ...
    class TestDeep:
        def test_deepest(self): ...

class Cases(unittest.TestCase):
    def test_case(self): ...

class Other:
    def test_not_collected(self): ...

if sys.platform == "win32":
    def test_hidden(): ...
try:
    import x
except ImportError:
    def test_handled(): ...
"""
    assert [name.removeprefix("tests/test_a.py::") for name in written_tests(file(text))] == [
        "test_one", "test_two", "TestThree::test_inner", "TestThree::TestDeep::test_deepest",
        "Cases::test_case", "test_hidden", "test_handled",
    ]  # fmt: skip


def test_a_test_that_is_written_twice_is_there_twice():
    assert len(written_tests(file("def test_a(): ...\ndef test_a(): ...\n"))) == 2


@pytest.mark.parametrize("name", ["app/test_a.py", "tests/helpers.py", "test_a.py"])
def test_files_that_the_runner_does_not_collect_hold_no_tests(name: str):
    assert written_tests(file("def test_a(): ...\n", name)) == []


@pytest.mark.parametrize(
    "body", ["pass", "...", "'''Later.'''", "x = 1", "assert True", "call()\n    assert 'never false'"]
)
def test_a_test_that_cannot_fail_is_found(body: str):
    assert check_substance(file(f"def test_a():\n    {body}\n")).result is Result.FAIL


@pytest.mark.parametrize(
    "body",
    [
        "assert answer == 1",
        "check_all(1)",
        "assert False, 'never here'",
        "with raises(KeyError):\n        a()",
    ],
)
def test_a_test_that_can_fail_passes(body: str):
    assert check_substance(file(f"def test_a(x):\n    {body}\n")).result is Result.PASS
