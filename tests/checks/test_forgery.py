"""What a repository may not hold, form by form, and what it may."""

from __future__ import annotations

import ast

import pytest

from executor.checks.forgery import check_forgery
from executor.checks.sources import SourceFile
from executor.domain.findings import Result
from tests.proof.ledger import Ledger

THREAT = "forged verdicts"

HONEST = """
import importlib
import os
import pytest

@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.clock.now", lambda: 0)
    monkeypatch.setenv("PORT", os.environ.get("PORT", "1"))

@pytest.mark.parametrize("name", ["a", "b"])
def test_it(name: str, request: pytest.FixtureRequest) -> None:
    with pytest.raises(ValueError):
        importlib.import_module("app.main").take(request.node.name, name)
"""

CHEATS = {
    "a report hook": "def pytest_runtest_makereport(item, call): ...",
    "a hook in a class": "class P:\n    async def pytest_sessionfinish(self): ...",
    "a hook by assignment": "pytest_runtest_logreport = print",
    "a hook by import": "from helper import quiet as pytest_collection_modifyitems",
    "a hook by setattr": "import sys\nsetattr(sys.modules[__name__], 'pytest_runtest_protocol', print)",
    "a hook by globals": "globals()['pytest_runtest_protocol'] = print",
    "a plugin": "pytest_plugins = ['tests.evil']",
    "files left out": "collect_ignore = ['test_api.py']",
    "files left out by pattern": "collect_ignore_glob: list[str] = ['*']",
    "a class left out": "class TestAll:\n    __test__ = False",
    "a test replaced": "def f(request):\n    request.node.obj = print",
    "a test's code replaced": "import tests.test_api as t\nt.test_one.__code__ = f.__code__",
    "a runner replaced": "import pytest\npytest.Function.runtest = print",
    "a runner patched": "def f(monkeypatch):\n    monkeypatch.setattr(pytest.Item, 'x', print)",
    "a runner patched by its name": "def f(monkeypatch):\n    monkeypatch.setattr('pytest.Item.x', print)",
    "a plugin at run time": "def f(request):\n    request.config.pluginmanager.register(object())",
    "the runner's inside": "from _pytest import runner",
    "the runner's inside by name": "import sys\nsys.modules['_pytest.runner'].call_and_report = print",
    "a skip": "import pytest\n@pytest.mark.skip\ndef test_a(): ...",
    "a skip in the middle": "import pytest\ndef test_a():\n    pytest.skip('later')",
    "an expected failure": "import pytest\n@pytest.mark.xfail\ndef test_a(): ...",
    "an imported skip": "from unittest import SkipTest",
    "an exit": "import os\nos._exit(0)",
    "an imported exit": "from os import _exit as leave",
    "the runner killed": "import os\nos.kill(os.getppid(), 9)",
    "code from text": "exec('import os')",
    "another's frame": "import sys\nsys._getframe(1).f_locals['key']",
    "another's objects": "import gc",
    "another's memory": "open('/proc/self/mem', 'rb')",
}


def finding(name: str, text: str) -> Result:
    tree = ast.parse(text) if name.endswith(".py") else None
    return check_forgery((SourceFile(name, text, tree),)).result


@pytest.mark.parametrize("name", ["tests/conftest.py", "tests/test_api.py", "conftest.py", "app/conftest.py"])
def test_honest_tests_with_fixtures_marks_and_patches_pass(name: str):
    assert finding(name, HONEST) is Result.PASS


@pytest.mark.parametrize("cheat", CHEATS.values(), ids=CHEATS.keys())
@pytest.mark.parametrize("name", ["tests/conftest.py", "conftest.py", "tests/deep/helpers.py"])
def test_a_cheat_is_refused_wherever_the_runner_would_load_it(name: str, cheat: str, ledger: Ledger):
    assert finding(name, cheat) is Result.FAIL
    ledger.tried("cheats in a source", threat=THREAT)


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos._exit(0)",
        "import pytest",
        "from pytest import skip",
        "import sys\nsys.modules['_pytest.runner'] = None",
        "import ctypes",
    ],
)
def test_the_application_may_not_touch_the_runner_either(text: str, ledger: Ledger):
    assert finding("app/main.py", text) is Result.FAIL
    ledger.tried("cheats in a source", threat=THREAT)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sitecustomize.py", "x = 1"),
        ("app/usercustomize.py", "x = 1"),
        ("pytest.py", "x = 1"),
        ("_pytest/runner.py", "x = 1"),
        ("evil.pth", "import evil"),
        ("pytest.ini", "[pytest]\naddopts = -q --collect-only\n"),
        ("pytest.ini", "[pytest]\naddopts = -k test_easy\n"),
        ("tests/pytest.ini", "[pytest]\naddopts = --deselect tests/test_api.py\n"),
        ("setup.cfg", "[tool:pytest]\naddopts = --ignore=tests/test_api.py\n"),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = ["-p", "evil"]\n'),
    ],
)
def test_files_that_steer_the_runner_are_refused(name: str, text: str, ledger: Ledger):
    assert finding(name, text) is Result.FAIL
    ledger.tried("files that steer the runner", threat=THREAT)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "[pytest]\ntestpaths = tests\naddopts = -q --cov=app --cov-report=term-missing\n"),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = ["-ra", "--strict-markers"]\n'),
        ("README.md", "Run `pytest -k health`, or os._exit(0) if you must."),
        ("app/traffic.py", "from pathlib import Path\nMEMORY = Path('/proc/self/statm')\n"),
        ("app/rules.py", "import re\nRULE = re.compile('a')\n\n\ndef skip(self) -> None:\n    self.skip()\n"),
    ],
)
def test_ordinary_settings_and_code_pass(name: str, text: str):
    assert finding(name, text) is Result.PASS


def test_the_finding_names_the_file_and_what_it_holds():
    text = CHEATS["a report hook"]
    evidence = check_forgery((SourceFile("conftest.py", text, ast.parse(text)),)).evidence
    assert evidence == "conftest.py: defines the hook pytest_runtest_makereport"
