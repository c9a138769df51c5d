"""Whatever Python would run and the checks would not read fails F2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from executor.checks.legible import check_legible
from executor.domain.findings import Result

HIDDEN: dict[str, Callable[[Path], object]] = {
    "app/storage.pyc is not source": lambda root: (root / "app/storage.pyc").write_bytes(b"\x00"),
    "app/fast.so is not source": lambda root: (root / "app/fast.so").write_bytes(b"\x7fELF"),
    "start.pth is not source": lambda root: (root / "start.pth").write_text("import os\n"),
    "app/__pycache__ is a directory that nobody reads": lambda root: (root / "app/__pycache__").mkdir(),
    ".venv is a directory that nobody reads": lambda root: (root / ".venv").mkdir(),
    "app/linked.py is a link": lambda root: (root / "app/linked.py").symlink_to("main.py"),
    "docs/passwords is a link": lambda root: (root / "docs/passwords").symlink_to("/etc/passwd"),
    "app/tables is a link": lambda root: (root / "app/tables").symlink_to(root / "tests"),
    "app/large.py is larger than 1 MiB": lambda root: (root / "app/large.py").write_text("#" * (1 << 20 | 1)),
    "app/old.py declares the encoding iso8859-1": lambda root: (root / "app/old.py").write_text(
        "# -*- coding: iso8859-1 -*-\n"
    ),
    "app/odd.py is not UTF-8": lambda root: (root / "app/odd.py").write_bytes(b"x = '\xff'\n"),
    "app/shift.py declares the encoding utf-7": lambda root: (root / "app/shift.py").write_text(
        "# coding: utf-7\n"
    ),
}


def test_everything_in_the_template_can_be_read(template: Path):
    assert check_legible(template).result is Result.PASS


@pytest.mark.parametrize("problem", HIDDEN)
def test_what_hides_from_the_reader_is_named(problem: str, droplet: Path):
    HIDDEN[problem](droplet)
    finding = check_legible(droplet)
    assert (finding.result, finding.evidence) == (Result.FAIL, problem)


def test_a_repository_of_more_files_than_are_read_fails(tmp_path: Path):
    for number in range(5001):
        (tmp_path / f"f{number}").touch()
    assert "5001" in check_legible(tmp_path).evidence
