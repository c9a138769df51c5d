"""What a build made, printed: bytes for a pipe, documents for a program, tables for a person."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli import documents

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    ("verb", "kind"), [("spec", "text/markdown"), ("diff", "text/plain"), ("report", "text/markdown")]
)
def test_an_artifact_is_printed_byte_for_byte(served: Any, run: Run, verb: str, kind: str) -> None:
    build = served.fake.add(documents.make_build(1))["build_id"]
    served.fake.artifacts[build, verb] = (kind, "# Title\n+ added\n")
    assert run(verb).stdout == "# Title\n+ added\n"
    assert json.loads(run(verb, "--json").stdout)[verb] == "# Title\n+ added\n"


def test_a_json_artifact_is_written_out_for_a_person_and_raw_for_a_program(served: Any, run: Run) -> None:
    build = served.fake.add(documents.make_build(1))["build_id"]
    document = {"tests": {"passing": 12}, "rules": [{"rule": "U1", "ok": True}], "address": "http://x"}
    served.fake.artifacts[build, "report"] = ("application/json", json.dumps(document))
    assert run("report").stdout.splitlines() == [
        "tests:",
        "  passing: 12",
        "rules:",
        "  - rule U1, ok True",
        "address: http://x",
    ]
    assert json.loads(run("report", "--json").stdout) == document


def test_versions_of_a_spec_are_compared_where_the_daemon_keeps_them(served: Any, run: Run) -> None:
    build = served.fake.add(documents.make_build(1))["build_id"]
    served.fake.artifacts[build, "spec"] = ("text/x-diff", "-two\n+2\n")
    assert run("spec", "--version", "2", "--against", "1").stdout == "-two\n+2\n"
    path = served.fake.requests[-1][1]
    assert path.endswith("/spec?version=2&against=1")


def test_versions_without_a_difference_print_nothing(served: Any, run: Run) -> None:
    build = served.fake.add(documents.make_build(1))["build_id"]
    served.fake.artifacts[build, "spec"] = ("text/x-diff", "")
    assert run("spec", "--against", "1").stdout == ""


def test_the_diff_of_one_iteration_is_asked_for(served: Any, run: Run) -> None:
    build = served.fake.add(documents.make_build(1))["build_id"]
    served.fake.artifacts[build, "diff"] = ("text/x-diff", "+ three\n")
    assert run("diff", "--iteration", "3").stdout == "+ three\n"
    assert served.fake.requests[-1][1].endswith("/diff?iteration=3")


def test_diffs_are_listed_with_their_iteration_and_their_result(served: Any, run: Run) -> None:
    build = served.fake.add(documents.make_build(1))["build_id"]
    versions = [
        {
            "version": 1,
            "at": "2026-11-14T12:31:00Z",
            "meta": {"iteration": 1, "commit": "a" * 40, "green": False},
        },
        {
            "version": 2,
            "at": "2026-11-14T12:41:00Z",
            "meta": {"iteration": 2, "commit": "b" * 40, "green": True},
        },
        {"version": 3, "at": "2026-11-14T12:51:00Z", "meta": {}},
    ]
    served.fake.artifacts[build, "diff"] = ("application/json", json.dumps({"versions": versions}))
    rows = [line.split() for line in run("diff", "--list").stdout.splitlines()[1:]]
    assert [row[:4] for row in rows[:1]] == [["1", "1", "✗", "not"]]
    assert rows[1][:5] == ["2", "2", "✓", "green", "b" * 12]
    assert rows[2][:4] == ["3", "-", "-", "-"]
    assert json.loads(run("diff", "--list", "--json").stdout) == versions
    assert run("diff", "--list", "--iteration", "2").returncode == 2
