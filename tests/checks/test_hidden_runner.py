"""The runner inside the walls is out of reach of the code that it runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.checks.forgery import check_forgery
from executor.checks.sources import SourceFile, read_sources
from executor.checks.suite import check_suite
from executor.domain.findings import Result
from executor.sandbox.base import Limits, Sandbox
from executor.sandbox.ownership import remove_tree_now
from executor.sandbox.places import Places

BROKEN = "import app.main\n\n\ndef test_it():\n    assert [] == 1\n"
# Turns the order of outcomes around, and writes a clean report before its digest is taken.
REACHES_MAIN = """
import sys

main = sys.modules["__main__"]
main._RANK.update(failed=-1)
digest = main._digest


def forge(path):
    if path.name == "junit.xml":
        path.write_text('<testsuites><testsuite><testcase name="test_it"/></testsuite></testsuites>')
    return digest(path)


main._digest = forge
"""
STEERS_ITEMS = {
    "an item under another name": "def f(request):\n    item = request.node\n    item.obj = print",
    "an item by setattr": "def f(request):\n    item = request.node\n    setattr(item, 'obj', print)",
    "an item by monkeypatch": "def f(request, patch):\n    patch.setattr(request.node, 'obj', print)",
    "an item of another class": "def f(item):\n    item.__class__ = Quiet",
}


@pytest.fixture
def repository(places: Places) -> Iterator[Path]:
    root = places.scratch("reach")
    for name, text in {"app/main.py": REACHES_MAIN, "tests/test_api.py": BROKEN}.items():
        (root / name).parent.mkdir()
        (root / name).write_text(text)
        (root / name).with_name("__init__.py").touch()
    yield root
    remove_tree_now(root)


async def test_the_runners_own_names_cannot_be_replaced(
    repository: Path, venv: Path, sandbox: Sandbox, places: Places
):
    files = read_sources(repository)
    assert check_forgery(files).result is Result.PASS
    verdict = await check_suite(repository, files, venv=venv, sandbox=sandbox, places=places, limits=Limits())
    assert verdict.passing == 0
    assert "has no attribute '_RANK'" in verdict.output


@pytest.mark.parametrize("cheat", STEERS_ITEMS.values(), ids=STEERS_ITEMS.keys())
def test_what_a_test_item_calls_cannot_be_replaced(cheat: str):
    file = SourceFile("tests/conftest.py", cheat, ast.parse(cheat))
    assert check_forgery((file,)).result is Result.FAIL


def test_a_fake_may_have_an_obj_of_its_own():
    text = "class Fake:\n    def __init__(self, obj):\n        self.obj = obj\n"
    assert check_forgery((SourceFile("tests/fakes.py", text, ast.parse(text)),)).result is Result.PASS


@pytest.mark.parametrize("text", ["import sys\nsys.modules['pytest'].x = 1", "load('pytest').Session.x = 1"])
def test_the_application_has_no_business_with_the_runner(text: str):
    file = SourceFile("app/main.py", text, ast.parse(text))
    assert check_forgery((file,)).result is Result.FAIL
