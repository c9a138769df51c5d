"""Ways around the code standards that look like none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from executor.checks.sources import read_sources
from executor.checks.standards import check_code, check_ruff
from executor.checks.verifier import find_ruff
from executor.domain.findings import Finding, Result

Failed = Callable[[Iterable[Finding]], dict[str, str]]


@pytest.mark.parametrize("ignored", ["app/hidden/", "app/", "*.py"])
async def test_what_git_ignores_is_still_linted(droplet: Path, ignored: str):
    (droplet / ".git").mkdir()
    with (droplet / ".gitignore").open("a") as file:
        file.write(f"\n{ignored}\n")
    (droplet / "app/hidden").mkdir()
    (droplet / "app/hidden/a.py").write_text("import zlib\n")
    assert "F401" in (await check_ruff(droplet, find_ruff())).evidence


@pytest.mark.parametrize("directory", ["build", "dist", "venv", "site-packages"])
async def test_directories_that_ruff_leaves_out_by_itself_are_linted(droplet: Path, directory: str):
    (droplet / "app" / directory).mkdir()
    (droplet / "app" / directory / "a.py").write_text("import zlib\n")
    assert (await check_ruff(droplet, find_ruff())).result is Result.FAIL


async def test_more_findings_than_can_be_kept_are_a_failed_rule(droplet: Path):
    (droplet / "app/endless.py").write_text("import zlib, time, json\n" * 20_000)
    finding = await check_ruff(droplet, find_ruff())
    assert finding.result is Result.FAIL
    assert "endless.py:1 " in finding.evidence


@pytest.mark.parametrize(
    "text",
    [
        "books = dict()",
        "import collections\nbooks = collections.defaultdict(list)",
        "books = [n for n in range(3)]",
        "BOOKS: dict[int, str] = {}",
        "BOOKS = list()",
        "count = 0\n\n\ndef more() -> None:\n    global count\n    count += 1",
    ],
)
def test_state_in_a_module_is_found_in_each_of_its_forms(droplet: Path, failed: Failed, text: str):
    (droplet / "app/state.py").write_text(f"{text}\n")
    assert list(failed(check_code(read_sources(droplet)))) == ["C10"]


@pytest.mark.parametrize("text", ["SIZES = dict(a=1)", "NAMES = tuple()", "NAMES = [n for n in 'ab']"])
def test_constants_are_no_state(droplet: Path, failed: Failed, text: str):
    (droplet / "app/state.py").write_text(f"{text}\n")
    assert failed(check_code(read_sources(droplet))) == {}
