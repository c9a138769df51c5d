"""The runner's account is believed only as it was sealed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from executor.checks.seal import new_key, read_sealed

KEY = b"k" * 32
DOCUMENT = (
    b"exit 0\nfile " + hashlib.sha256(b"<report/>").hexdigest().encode() + b" junit.xml\n"
    b"intruder tests.conftest\npassed tests/test_a.py::test_one[a b]\nfailed tests/test_a.py::test_two\n"
    b"skipped tests/test_a.py::test_three"
)


def sealed(path: Path, document: bytes, key: bytes = KEY) -> Path:
    path.write_bytes(hashlib.blake2b(document, key=key).hexdigest().encode() + b"\n" + document)
    return path


def test_a_sealed_account_tells_every_outcome(tmp_path: Path):
    run = read_sealed(sealed(tmp_path / "sealed", DOCUMENT), KEY)
    assert (run.problem, run.exit_code, run.intruders) == ("", 0, ("tests.conftest",))
    assert run.ran == {"tests/test_a.py::test_one", "tests/test_a.py::test_two"}
    assert (run.count("passed"), run.count("failed"), run.count("skipped")) == (1, 1, 1)


def test_an_account_that_was_changed_is_not_believed(tmp_path: Path):
    path = sealed(tmp_path / "sealed", DOCUMENT)
    path.write_bytes(path.read_bytes().replace(b"failed", b"passed"))
    run = read_sealed(path, KEY)
    assert "seal" in run.problem
    assert run.outcomes == {}


@pytest.mark.parametrize("content", [b"", b"exit 0", b"\xff\xfe\n\n", b"0" * 128 + b"\nexit 0"])
def test_an_account_without_a_seal_is_not_believed(tmp_path: Path, content: bytes):
    path = tmp_path / "sealed"
    path.write_bytes(content)
    assert "seal" in read_sealed(path, KEY).problem


def test_an_account_under_another_runs_key_is_not_believed(tmp_path: Path):
    assert read_sealed(sealed(tmp_path / "sealed", DOCUMENT, new_key()), new_key()).problem


def test_no_account_a_link_and_a_directory_are_told_apart_from_one(tmp_path: Path):
    real = sealed(tmp_path / "real", DOCUMENT)
    (tmp_path / "link").symlink_to(real)
    (tmp_path / "directory").mkdir()
    for name in ("missing", "link", "directory"):
        assert "ended before" in read_sealed(tmp_path / name, KEY).problem


def test_a_report_that_changed_after_the_run_is_told_apart(tmp_path: Path):
    run = read_sealed(sealed(tmp_path / "sealed", DOCUMENT), KEY)
    report = tmp_path / "junit.xml"
    assert not run.wrote(report)
    report.write_bytes(b"<report/>")
    assert run.wrote(report)
    report.write_bytes(b"<report tests='99'/>")
    assert not run.wrote(report)
