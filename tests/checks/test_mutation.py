"""Tests that stay green over broken code prove nothing, and that is found out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from executor.checks.mutation import check_mutation
from executor.checks.sources import Checkout, read_sources
from executor.checks.suite import check_suite
from executor.domain.findings import Finding, Result
from executor.resources import config_dir
from executor.sandbox.base import Limits, Sandbox, SandboxCommand, SandboxResult
from executor.sandbox.ownership import remove_tree_now
from executor.sandbox.places import Places

LIMITS = Limits(wall_seconds=60)
NOTHING: Mapping[str, str] = MappingProxyType({})
APP = "def add(a: int, b: int) -> int:\n    return a + b\n\n\n"
APP += "def less(a: int, b: int) -> bool:\n    return a < b\n"
HONEST = "from app.main import add, less\n\ndef test_add():\n    assert add(1, 2) == 3\n\n"
HONEST += "def test_less():\n    assert less(1, 2)\n"
# It runs every line, fails for nothing, and no reader of syntax trees sees that.
HOLLOW = "from app.main import add, less\n\ndef test_all():\n    assert str(add(1, 2)) + str(less(1, 2))\n"


class Counting:
    """Real walls that count what is run in them."""

    def __init__(self, inner: Sandbox) -> None:
        self._inner = inner
        self.commands: list[SandboxCommand] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    async def run(self, command: SandboxCommand) -> SandboxResult:
        self.commands.append(command)
        return await self._inner.run(command)


class Repository:
    def __init__(self, root: Path, venv: Path, sandbox: Sandbox, places: Places) -> None:
        self.root, self._venv, self.walls, self._places = root, venv, Counting(sandbox), places
        self.write("app/__init__.py", "")
        self.write("tests/__init__.py", "")
        self.write("app/main.py", APP)

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    async def judged(self, tests: str, limits: Limits = LIMITS, then: Mapping[str, str] = NOTHING) -> Finding:
        """The finding about these tests in tests/test_api.py; `then` is written once they were green."""
        self.write("tests/test_api.py", tests)
        files, walls = read_sources(self.root), {"sandbox": self.walls, "places": self._places}
        suite = await check_suite(self.root, files, venv=self._venv, **walls, limits=LIMITS)
        assert suite.is_green, suite.findings
        self.walls.commands.clear()
        for name, text in then.items():
            self.write(name, text)
        files = read_sources(self.root)
        return await check_mutation(
            Checkout(self.root, files, "c0ffee", self._venv), suite, **walls, limits=limits
        )


@pytest.fixture
def repository(venv: Path, sandbox: Sandbox, places: Places) -> Iterator[Repository]:
    root = places.scratch("repository")
    yield Repository(root, venv, sandbox, places)
    remove_tree_now(root)


async def test_tests_that_notice_a_broken_function_pass_and_two_runs_are_enough(repository: Repository):
    finding = await repository.judged(HONEST)
    assert (finding.rule, finding.result) == ("T6", Result.PASS)
    assert "app/main.py" in finding.evidence and "noticed" in finding.evidence
    assert len(repository.walls.commands) == 2
    assert all("-x" in command.argv and "--cov" not in command.argv for command in repository.walls.commands)


async def test_the_droplets_own_tests_are_run_before_the_templates(repository: Repository):
    template = (config_dir() / "template/tests/test_api.py").read_text()
    repository.write("tests/more/own_test.py", HOLLOW)
    repository.write("tests/test_own.py", HONEST)
    await repository.judged(HOLLOW, then={"tests/test_api.py": template})
    assert len(repository.walls.commands) == 2
    for command in repository.walls.commands:
        named = [word for word in command.argv if word.startswith("tests")]
        assert named == ["tests/more/own_test.py", "tests/test_own.py", "tests/test_api.py"]


async def test_a_fault_that_only_the_last_test_notices_is_noticed(repository: Repository):
    repository.write("tests/more/test_nothing.py", "def test_nothing():\n    assert str(1)\n")
    repository.write("tests/zz/test_last.py", HONEST)
    finding = await repository.judged("def test_other():\n    assert str(2)\n")
    assert (finding.rule, finding.result) == ("T6", Result.PASS)


async def test_tests_that_notice_nothing_prove_nothing_and_the_functions_are_named(repository: Repository):
    finding = await repository.judged(HOLLOW)
    assert (finding.rule, finding.result) == ("T6", Result.FAIL)
    assert "app/main.py:1 add" in finding.evidence and "app/main.py:5 less" in finding.evidence
    assert "prove nothing" in finding.evidence


async def test_at_most_three_functions_are_broken(repository: Repository):
    names = [f"f{number}" for number in range(6)]
    repository.write("app/main.py", "\n".join(f"def {name}():\n    return 1 == 1\n" for name in names))
    calls = " + ".join(f"str({name}())" for name in names)
    finding = await repository.judged(f"from app.main import *\n\ndef test_all():\n    assert {calls}\n")
    assert finding.result is Result.FAIL
    assert len(repository.walls.commands) == 3


async def test_a_function_that_no_test_runs_is_not_broken(repository: Repository):
    repository.write("app/main.py", APP + "\n\ndef never() -> int:\n    return 3\n")
    finding = await repository.judged(HOLLOW)
    assert "less" in finding.evidence and "never" not in finding.evidence
    assert len(repository.walls.commands) == 2


async def test_some_that_stay_unnoticed_are_told_and_fail_nothing(repository: Repository):
    finding = await repository.judged(HONEST.replace("assert less(1, 2)", "assert str(less(1, 2))"))
    assert finding.result is Result.NOTE
    assert "less" in finding.evidence and "survived" in finding.evidence and "noticed" in finding.evidence


async def test_a_fault_with_which_nothing_can_be_imported_counts_for_nothing(repository: Repository):
    repository.write("app/main.py", "def add(a, b):\n    return a + b\n\n\nassert add(1, 2) == 3\n")
    finding = await repository.judged(
        "from app.main import add\n\ndef test_add():\n    assert add(1, 2) == 3\n"
    )
    assert finding.result is Result.NOTE
    assert "unusable" in finding.evidence


async def test_a_fault_that_never_ends_is_noticed(repository: Repository):
    # Emptied, the step is None and the loop goes on for ever.
    repository.write(
        "app/main.py",
        "def step(a):\n    return a + 1\n\n\ndef last():\n    a = 0\n    while a is not None and a != 3:\n"
        "        a = step(a) or a\n    return a\n",
    )
    tests = "from app.main import last, step\n\ndef test_last():\n    assert last() == 3\n"
    finding = await repository.judged(tests, replace(LIMITS, wall_seconds=4))
    assert finding.result is Result.PASS
    assert "step emptied: noticed" in finding.evidence


async def test_a_droplet_without_code_of_its_own_is_told_so(repository: Repository):
    repository.write("app/main.py", "ANSWER = 42\n")
    finding = await repository.judged(
        "from app.main import ANSWER\n\ndef test_it():\n    assert ANSWER == 42\n"
    )
    assert finding.result is Result.NOTE and "no function" in finding.evidence
    assert repository.walls.commands == []


async def test_the_repository_itself_stays_as_it_is_and_no_copy_is_left(
    repository: Repository, places: Places
):
    await repository.judged(HONEST)
    assert (repository.root / "app/main.py").read_text() == APP
    assert not list((places.root / "scratch").glob("mutant-*"))
