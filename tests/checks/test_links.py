"""A checkout with links is not read any further."""

from pathlib import Path

from executor.checks.links import check_links
from executor.domain.findings import Result


def test_plain_files_pass(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("")
    assert check_links(tmp_path).result is Result.PASS


def test_links_to_files_directories_and_nothing_fail(tmp_path: Path) -> None:
    for name, target in (("requirements.txt", "/etc/passwd"), ("docs", "/etc"), ("gone", "nowhere")):
        (tmp_path / name).symlink_to(target)
    found = check_links(tmp_path)
    assert found.result is Result.FAIL
    assert all(name in found.evidence for name in ("requirements.txt", "docs", "gone"))
