"""A pass is a call that returned, whatever reports and stand-ins say."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from executor.checks.forgery import check_forgery
from executor.checks.sources import read_sources
from executor.checks.suite import SuiteVerdict, check_suite
from executor.domain.findings import Result
from executor.sandbox.base import Limits, Sandbox
from executor.sandbox.ownership import remove_tree_now
from executor.sandbox.places import Places
from executor.sandbox.venv import VenvCache

BROKEN = "import app.main\n\n\ndef test_it():\n    assert app.main.ONE == 2\n"
FORGIVES = """
    kept = {0}.from_item_and_call

    def forgiving(cls, item, call):
        call.excinfo = None
        return kept(item, call)

    {0}.from_item_and_call = classmethod(forgiving)
"""
STANDS_IN = "def test_0(request):\n    for item in request.session.items:\n        {0}\n    assert request\n"
CHEATS = {
    "the application changes reports of failures": (
        "app/main.py",
        "import sys\n\nONE = 1\nreports = sys.modules.get('_py' + 'test.reports')\nif reports:"
        + FORGIVES.format("reports.TestReport"),
        "without a call",
    ),
    "a test module changes reports of failures": (
        "tests/test_0.py",
        "from pytest import TestReport\n\nif TestReport:" + FORGIVES.format("TestReport"),
        "without a call",
    ),
    "a test puts another function in the place of those to come": (
        "tests/test_0.py",
        STANDS_IN.format("vars(item)['_obj'] = print"),
        "what stands in for",
    ),
    "a test gives those to come other code": (
        "tests/test_0.py",
        STANDS_IN.format("item.function.__setattr__('__code__', (lambda: None).__code__)"),
        "what stands in for",
    ),
}


@pytest.fixture
def repository(places: Places) -> Iterator[Path]:
    root = places.scratch("witness")
    for name, text in {"app/main.py": "ONE = 1\n", "tests/test_api.py": BROKEN}.items():
        (root / name).parent.mkdir()
        (root / name).write_text(text)
        (root / name).with_name("__init__.py").touch()
    yield root
    remove_tree_now(root)


async def judged(root: Path, venv: Path, sandbox: Sandbox, places: Places) -> SuiteVerdict:
    files = read_sources(root)
    assert check_forgery(files).result is Result.PASS
    return await check_suite(root, files, venv=venv, sandbox=sandbox, places=places, limits=Limits())


@pytest.mark.parametrize(("name", "text", "evidence"), CHEATS.values(), ids=CHEATS.keys())
async def test_what_makes_failures_look_like_passes_is_named(
    repository: Path, venv: Path, sandbox: Sandbox, places: Places, name: str, text: str, evidence: str
):
    (repository / name).write_text(text)
    verdict = await judged(repository, venv, sandbox, places)
    named = {f.rule: f.evidence for f in verdict.findings if f.result is Result.FAIL}
    assert evidence in named["T2"], verdict.output


async def test_fixtures_classes_parameters_and_coroutines_are_called_as_they_were_collected(
    repository: Path, venv: Path, sandbox: Sandbox, places: Places
):
    (repository / "tests/conftest.py").write_text(
        "import pytest\n\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    )
    (repository / "tests/test_api.py").write_text(
        "import pytest\n\nimport app.main\n\n\nclass TestIt:\n"
        "    @pytest.mark.anyio\n    @pytest.mark.parametrize('n', [1, 2])\n"
        "    async def test_it(self, n, tmp_path):\n        assert app.main.ONE <= n\n\n"
        "    @staticmethod\n    def test_more():\n        assert app.main.ONE\n"
    )
    verdict = await judged(repository, venv, sandbox, places)
    assert [f.evidence for f in verdict.findings if f.result is Result.FAIL] == []
    assert verdict.passing == 3


async def test_coroutines_run_in_auto_mode_where_the_requirements_name_pytest_asyncio(
    repository: Path, venvs: VenvCache, template: Path, sandbox: Sandbox, places: Places
):
    requirements = repository / "requirements.txt"
    pins = (template / "requirements.txt").read_text()
    requirements.write_text(f"{pins}pytest-asyncio=={version('pytest-asyncio')}\n")
    (repository / "tests/test_api.py").write_text(
        "import app.main\n\n\nasync def test_it():\n    assert app.main.ONE == 1\n"
        "\n\nasync def test_more():\n    assert app.main.ONE == 2\n"
    )
    verdict = await judged(repository, await venvs.get(requirements), sandbox, places)
    assert (verdict.passing, verdict.failing) == (1, 1), verdict.output
    assert [f.rule for f in verdict.findings if f.result is Result.FAIL] == ["T1"]
