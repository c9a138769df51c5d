"""A report is counted, and anything that is none is told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from executor.checks.junit import read_junit

REPORT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" tests="5">
<testcase classname="tests.test_api" name="test_a"/>
<testcase classname="tests.test_api" name="test_b"><failure message="no">x</failure></testcase>
<testcase classname="tests.test_api" name="test_c"><error message="no">x</error></testcase>
<testcase classname="tests.test_api" name="test_d"><skipped message="later"/></testcase>
<testcase classname="tests.test_api" name="test_e"><system-out>hello</system-out></testcase>
</testsuite></testsuites>
"""
NO_REPORTS = {
    "not XML": "all tests passed",
    "half a report": REPORT[:200],
    "nothing": "",
    "another document": "<html><body/></html>",
    "entities": '<!DOCTYPE a [<!ENTITY b "c">]><testsuites/>',
}


def test_each_result_is_counted_and_failures_are_named(tmp_path: Path):
    (tmp_path / "junit.xml").write_text(REPORT)
    counts = read_junit(tmp_path / "junit.xml")
    assert (counts.passed, counts.failed, counts.skipped, counts.executed) == (2, 2, 1, 4)
    assert counts.failures == ("tests.test_api::test_b", "tests.test_api::test_c")
    assert counts.problem == ""


@pytest.mark.parametrize("text", NO_REPORTS.values(), ids=NO_REPORTS.keys())
def test_what_is_no_report_counts_nothing_and_says_why(text: str, tmp_path: Path):
    (tmp_path / "junit.xml").write_text(text)
    counts = read_junit(tmp_path / "junit.xml")
    assert counts.executed == 0
    assert counts.problem


def test_a_missing_report_a_link_and_a_directory_are_none(tmp_path: Path):
    (tmp_path / "real.xml").write_text(REPORT)
    (tmp_path / "link.xml").symlink_to("real.xml")
    (tmp_path / "directory.xml").mkdir()
    for name in ("missing.xml", "link.xml", "directory.xml"):
        assert read_junit(tmp_path / name).problem == "the run left no report"


def test_a_giant_report_is_not_read(tmp_path: Path):
    with (tmp_path / "junit.xml").open("wb") as file:
        file.truncate((16 << 20) + 1)
    assert "too large" in read_junit(tmp_path / "junit.xml").problem
