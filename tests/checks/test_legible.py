"""Nothing in a repository hides from those who read its source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from executor.checks.legible import check_legible
from executor.domain.findings import Result


def nested(name: str, content: bytes) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return write


HIDDEN = {
    "a compiled module": nested("app/helper.pyc", b"\xa7\r\r\n"),
    "a cache of compiled modules": nested("app/__pycache__/main.cpython-311.pyc", b"\xa7"),
    "a machine-code module": nested("app/fast.so", b"\x7fELF"),
    "a path file": nested("evil.pth", b"import evil"),
    "an environment of its own": nested(".venv/lib/evil.py", b"x = 1"),
    "a module too large to read": nested("tests/conftest.py", b"#" * (1 << 20) + b"\n"),
    "a module that is not UTF-8": nested("app/main.py", b"x = '\xff'\n"),
    "a module in another encoding": nested("app/main.py", b"# coding: utf-7\nx = 1\n"),
    "a module in an unknown encoding": nested("app/main.py", b"# coding: nonsense\nx = 1\n"),
    "a link to a directory": lambda root: (root / "tests").symlink_to("app"),
    "a link to a file outside": lambda root: (root / "app/keys.py").symlink_to("/etc/passwd"),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/main.py").write_text("# coding: utf-8\nname = 'Ünï'\n")
    (tmp_path / "app/bom.py").write_bytes(b"\xef\xbb\xbfx = 1\n")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\xff")
    (tmp_path / ".git/objects").mkdir(parents=True)
    (tmp_path / ".git/HEAD").symlink_to("refs")
    return tmp_path


def test_plain_source_pictures_and_gits_own_directory_pass(root: Path):
    assert check_legible(root).result is Result.PASS


@pytest.mark.parametrize("hide", HIDDEN.values(), ids=HIDDEN.keys())
def test_what_hides_from_a_reader_fails(root: Path, hide: Callable[[Path], None]):
    hide(root)
    assert check_legible(root).result is Result.FAIL


def test_the_finding_names_what_hides_and_how(root: Path):
    HIDDEN["a link to a file outside"](root)
    assert check_legible(root).evidence == "app/keys.py is a link"


def test_a_repository_of_more_files_than_are_read_fails(root: Path):
    for number in range(5001):
        (root / f"f{number}").touch()
    assert "are more than are read" in check_legible(root).evidence


def test_everything_in_the_template_can_be_read(template: Path):
    assert check_legible(template).result is Result.PASS
