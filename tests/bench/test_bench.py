"""The measurements run, and what they leave behind has its form; how fast they were is nobody's test."""

from __future__ import annotations

import json
import sqlite3

import pytest
from rich.console import Console

from tests.bench import __main__, growth, harness, recovery, requests, results, steps

_NAMES = {"name", "value", "unit", "against", "ratio", "target", "met"}


def test_steps_and_growth_are_measured_and_written_as_documents(tmp_path):
    figures = [*steps.measure(True, sizes=(10,)), *growth.measure(True, builds=100)]
    assert {figure.name.split(",")[0] for figure in figures} == {
        "durable steps/s", "start-up", "status", "list", "replay",
    }  # fmt: skip
    results.write(figures, tmp_path / "results.json")
    documents = json.loads((tmp_path / "results.json").read_text())
    assert all(set(document) == _NAMES for document in documents)
    assert all(document["value"] > 0 and document["ratio"] > 0 for document in documents)
    assert all(document["met"] in {True, False, None} for document in documents)


def test_a_recovery_is_over_when_every_build_runs_again():
    [figure] = recovery.measure(True, count=3)
    assert figure.name == "kill -9 to running, 3 in flight"
    assert figure.value > 0


def test_requests_are_measured_while_builds_stand_still():
    figures = requests.measure(True, number=48)
    assert {figure.name for figure in figures if figure.ratio} == {
        "GET status, c=1", "POST build, c=1", "GET status, c=16", "POST build, c=16",
    }  # fmt: skip


def test_a_ratio_beyond_its_bound_misses_its_target():
    assert results.at_least("a", 1, "/s", "b", 14.9, 15).met is False
    assert results.at_most("a", 1, "ms", "b", 1.5, 1.5).met is True
    assert results.bounded("a", 80, "MB", 75).met is False
    assert results.Figure("a", 1, "/s").met is None


def test_a_missed_target_is_shown_as_one():
    console = Console(record=True, width=120, file=None, quiet=False)
    with console.capture() as shown:
        results.show([results.bounded("idle RSS", 80, "MB", 75)], console)
    assert "no" in shown.get()


def test_a_connection_that_is_less_durable_is_refused(tmp_path):
    connection = sqlite3.connect(tmp_path / "some.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    with pytest.raises(harness.NotDurable):
        harness.prove_durable(connection)
    connection.close()


def test_a_place_lies_on_a_disk_and_is_gone_afterwards():
    with harness.place() as path:
        assert harness.filesystem(path) not in {"tmpfs", "ramfs"}
    assert not path.exists()


def test_a_name_that_is_not_measured_is_refused(capsys):
    with pytest.raises(SystemExit) as refused:
        __main__.main(["speed"])
    assert refused.value.code == 2
    assert "speed" in capsys.readouterr().err
