"""Repositories that try to be judged green are run, or refused before they run, and never believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from executor.checks.forgery import check_forgery
from executor.checks.sources import read_sources
from executor.checks.suite import SuiteVerdict, check_suite
from executor.domain.findings import Result
from executor.sandbox.base import Limits, Sandbox
from executor.sandbox.ownership import remove_tree_now
from executor.sandbox.places import Places
from tests.proof.ledger import Ledger

THREAT = "forged verdicts"

LIMITS = Limits(wall_seconds=60)
APP = "def add(a: int, b: int) -> int:\n    return a + b\n"
TESTS = """
import pytest
from app.main import add

def test_it_adds():
    assert add(1, 2) == 3

class TestMore:
    @pytest.mark.parametrize("n", [1, 2])
    async def test_zero_changes_nothing(self, n):
        assert add(n, 0) == n
"""
REPORT = (
    '<testsuites><testsuite name="pytest" errors="0" failures="0" tests="3">'
    '<testcase classname="tests.test_api" name="test_it_adds"/>'
    '<testcase classname="tests.test_api.TestMore" name="test_zero_changes_nothing[1]"/>'
    '<testcase classname="tests.test_api.TestMore" name="test_zero_changes_nothing[2]"/>'
    "</testsuite></testsuites>"
)
FORGE = f"open('/out/junit.xml', 'w').write({REPORT!r})\n"
LEAVE = "import os\ngetattr(os, '_' + 'exit')(0)\n"


class Repository:
    """Two honest tests over one function, to be spoiled."""

    def __init__(self, root: Path, venv: Path, sandbox: Sandbox, places: Places) -> None:
        self.root, self._venv, self._sandbox, self._places = root, venv, sandbox, places
        self.write("app/__init__.py", "")
        self.write("app/main.py", APP)
        self.write("tests/__init__.py", "")
        self.write(
            "tests/conftest.py",
            "import pytest\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n",
        )
        self.write("tests/test_api.py", TESTS.replace("    @pytest", "    @pytest.mark.anyio\n    @pytest"))

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    async def judged(self, limits: Limits = LIMITS) -> SuiteVerdict:
        return await check_suite(
            self.root, read_sources(self.root), venv=self._venv, sandbox=self._sandbox, places=self._places,
            limits=limits,
        )  # fmt: skip


@pytest.fixture
def repository(venv: Path, sandbox: Sandbox, places: Places) -> Iterator[Repository]:
    root = places.scratch("cheat")
    yield Repository(root, venv, sandbox, places)
    remove_tree_now(root)


def failed(verdict: SuiteVerdict) -> set[str]:
    return {finding.rule for finding in verdict.findings if finding.result is Result.FAIL}


async def test_an_honest_repository_is_green_and_counted(repository: Repository):
    verdict = await repository.judged()
    assert failed(verdict) == set(), verdict.output
    assert (verdict.passing, verdict.failing) == (3, 0)
    assert {finding.rule for finding in verdict.findings} == {"T1", "T2", "T3", "T4", "T5", "C11"}


async def test_a_failing_test_is_named_and_counted(repository: Repository):
    repository.write("app/main.py", APP.replace("a + b", "a - b"))
    verdict = await repository.judged()
    assert failed(verdict) == {"T1"}
    assert (verdict.passing, verdict.failing) == (2, 1)
    assert any("test_it_adds" in finding.evidence for finding in verdict.findings)
    assert verdict.failing_tests == ("tests/test_api.py::test_it_adds",)


# What ends or forges the run from the application, in words that no reader of syntax trees has to know.
FROM_THE_APPLICATION = {
    "it leaves with code 0 as it is imported": LEAVE,
    "it forges the report and leaves": FORGE + LEAVE,
    "it forges the report, an account of the runner and leaves": (
        FORGE
        + "open('/out/sealed', 'w').write('0' * 128 + '\\nexit 0\\npassed tests/test_api.py::test_it_adds')\n"
        + LEAVE
    ),
    "it forges the report after the runner has written it": (
        "import atexit\n\n@atexit.register\ndef forge():\n    " + FORGE
    ),
}


@pytest.mark.parametrize("cheat", FROM_THE_APPLICATION.values(), ids=FROM_THE_APPLICATION.keys())
async def test_an_application_cannot_write_its_own_verdict(
    repository: Repository, cheat: str, ledger: Ledger
):
    repository.write("app/main.py", cheat + APP)
    repository.write("tests/test_broken.py", "def test_broken():\n    assert [] == 1\n")
    assert "T2" in failed(await repository.judged())
    ledger.tried("repositories that forge their verdict", threat=THREAT)


BROKEN = "def test_a():\n    assert [] == 1\n"
UNUSED = "".join(f"def f{n}(a):\n    a += {n}\n    return a\n\n" for n in range(9))
RUN_AND_CAUGHT = {
    "no tests": ("test_api.py", "", {"T2", "T1", "C11"}),
    "an error at import": ("test_api.py", TESTS + "\nraise RuntimeError\n", {"T1", "T2", "C11"}),
    "a test written twice": ("test_a.py", BROKEN + "\ndef test_a():\n    assert [] == []\n", {"T2"}),
    "a test taken away": ("test_a.py", BROKEN + "\ndel test_a\n", {"T2"}),
    "a test behind a condition": (
        "test_a.py",
        "if not __name__:\n    def test_a():\n        assert [] == 1\n",
        {"T2"},
    ),
    "a class that is not collected": (
        "test_a.py",
        "class TestA:\n    def __init__(self): ...\n    def test_a(self):\n        assert [] == 1\n",
        {"T2"},
    ),
    "a skip under another name": (
        "test_a.py",
        "import pytest as p\n\n@p.mark.skipif(1, reason='no')\n" + BROKEN,
        {"T2", "T3"},
    ),
    "a failure expected under another name": (
        "test_a.py",
        "import pytest as p\n\n@p.mark.xfail\n" + BROKEN,
        {"T2", "T3"},
    ),
    "an unexpected pass": (
        "test_a.py",
        "import pytest as p\n\n@p.mark.xfail\ndef test_a():\n    assert [] == []\n",
        {"T2", "T3"},
    ),
    "a hook that no syntax tree shows": (
        "conftest.py",
        "vars().update({'pytest_' + 'runtest_makereport': lambda item, call: None})\n",
        {"T2"},
    ),
    "an empty test": ("test_a.py", "def test_a():\n    pass\n", {"T5"}),
    "code that no test runs": ("../app/other.py", UNUSED, {"C11"}),
    "code that says it does not count": (
        "../app/other.py",
        UNUSED.replace(":\n", ":  # pragma: no cover\n"),
        {"C11"},
    ),
}


@pytest.mark.parametrize(("name", "text", "rules"), RUN_AND_CAUGHT.values(), ids=RUN_AND_CAUGHT.keys())
async def test_what_only_a_run_shows_is_caught_by_the_run(
    repository: Repository, name: str, text: str, rules: set[str], ledger: Ledger
):
    repository.write(f"tests/{name}", text)
    assert check_forgery(read_sources(repository.root)).result is Result.PASS
    assert failed(await repository.judged()) >= rules
    ledger.tried("repositories that prove nothing", threat=THREAT)


async def test_a_repositorys_own_settings_do_not_count(repository: Repository, ledger: Ledger):
    repository.write("pytest.ini", "[pytest]\npython_functions = nothing\npython_files = none.py\n")
    repository.write(".coveragerc", "[run]\nomit = app/*\n")
    repository.write("tests/test_broken.py", "def test_broken():\n    assert [] == 1\n")
    verdict = await repository.judged()
    assert failed(verdict) == {"T1"}
    assert (verdict.passing, verdict.failing) == (3, 1)
    ledger.tried("repositories that steer the runner", threat=THREAT)


@pytest.mark.parametrize(
    "name", ["pluggy.py", "json.py", "junitxml.py", "argparse.py", "iniconfig/__init__.py"]
)
async def test_files_do_not_stand_in_for_modules_of_the_runner(
    repository: Repository, name: str, ledger: Ledger
):
    repository.write(name, FORGE + LEAVE)
    assert failed(await repository.judged()) == set()
    ledger.tried("repositories that steer the runner", threat=THREAT)


async def test_a_run_over_its_time_is_stopped_and_red(repository: Repository):
    repository.write("tests/test_long.py", "import time\n\ndef test_a():\n    time.sleep(60)\n")
    verdict = await repository.judged(replace(LIMITS, wall_seconds=2))
    assert {"T1", "T2"} <= failed(verdict)


async def test_a_runner_that_is_killed_is_red(repository: Repository, ledger: Ledger):
    repository.write("app/main.py", "import signal\nsignal.raise_signal(9)\n" + APP)
    assert {"T1", "T2"} <= failed(await repository.judged())
    ledger.tried("repositories that forge their verdict", threat=THREAT)


async def test_a_repository_that_could_forge_is_refused_before_anything_of_it_runs(
    repository: Repository, ledger: Ledger
):
    repository.write("tests/conftest.py", "import os\nprint('I ran')\nos._exit(0)\n")
    verdict = await repository.judged()
    assert failed(verdict) == {"T4"}
    assert "I ran" not in verdict.output
    ledger.tried("repositories that forge their verdict", threat=THREAT)
