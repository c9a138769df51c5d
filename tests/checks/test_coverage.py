"""Coverage counts only as the runner saw it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from executor.checks.coverage import check_coverage, executed_lines
from executor.checks.seal import SealedRun
from executor.domain.findings import Result

NO_FIGURE = {
    "nothing": "",
    "a list": "[]",
    "no totals": "{}",
    "odd totals": '{"totals": []}',
    "a word": '{"totals": {"percent_covered": "all"}}',
    "no number": '{"totals": {"percent_covered": NaN}}',
    "infinity": '{"totals": {"percent_covered": 1e999}}',
    "endless nesting": "[" * 100_000,
}


def sealed(path: Path, text: str) -> SealedRun:
    path.write_text(text)
    return SealedRun(digests={path.name: hashlib.sha256(text.encode()).hexdigest()})


@pytest.mark.parametrize(
    ("percent", "result"), [("80.0", Result.PASS), ("79.99", Result.FAIL), ("100", Result.PASS)]
)
def test_at_least_eighty_percent_have_to_run(percent: str, result: Result, tmp_path: Path):
    path = tmp_path / "coverage.json"
    run = sealed(path, f'{{"totals": {{"percent_covered": {percent}}}}}')
    assert check_coverage(path, run).result is result


def test_a_report_that_was_changed_afterwards_is_not_believed(tmp_path: Path):
    path = tmp_path / "coverage.json"
    run = sealed(path, '{"totals": {"percent_covered": 10}}')
    path.write_text('{"totals": {"percent_covered": 100}}')
    finding = check_coverage(path, run)
    assert finding.result is Result.FAIL
    assert "vouches" in finding.evidence


@pytest.mark.parametrize("text", NO_FIGURE.values(), ids=NO_FIGURE.keys())
def test_a_report_that_says_nothing_of_use_fails(text: str, tmp_path: Path):
    path = tmp_path / "coverage.json"
    assert check_coverage(path, sealed(path, text)).result is Result.FAIL


def test_no_report_fails(tmp_path: Path):
    assert check_coverage(tmp_path / "coverage.json", SealedRun()).result is Result.FAIL


def test_the_lines_that_ran_are_known_from_a_report_that_the_runner_vouches_for(tmp_path: Path):
    path = tmp_path / "coverage.json"
    run = sealed(path, '{"files": {"app/main.py": {"executed_lines": [1, 3]}}}')
    assert executed_lines(path, run) == {"app/main.py": frozenset({1, 3})}
    path.write_text('{"files": {}}')
    assert executed_lines(path, run) == {}


@pytest.mark.parametrize("text", [*NO_FIGURE.values(), '{"files": []}', '{"files": {"a": {}}}'])
def test_a_report_without_lines_knows_none(text: str, tmp_path: Path):
    path = tmp_path / "coverage.json"
    assert executed_lines(path, sealed(path, text)) == {}
