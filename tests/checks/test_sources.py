"""Reading a repository's files."""

from __future__ import annotations

import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from executor.checks.sources import read_sources


class Garbage:
    """A cycle whose finalizer runs bytecode: collected inside the parser, it lets other threads run."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        for _ in range(50):
            pass


def read_amid_garbage(root: Path) -> int:
    Garbage(), Garbage(), Garbage()
    return sum(file.tree is not None for file in read_sources(root))


def test_the_checks_of_several_builds_may_parse_at_the_same_time(tmp_path: Path):
    lines = "    if a:\n        return [x for x in (a, {1: (2, [3, a])})]\n" * 10
    (tmp_path / "m.py").write_text(f"def f(a: int) -> str:\n{lines}")
    before = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    try:
        with ThreadPoolExecutor(4) as pool:
            parsed = list(pool.map(read_amid_garbage, [tmp_path] * 400))
    finally:
        sys.setswitchinterval(before[0])
        gc.set_threshold(*before[1])
    assert parsed == [1] * 400


def test_links_and_binary_files_are_not_read(tmp_path: Path):
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "b.bin").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "c.py").symlink_to("/etc/passwd")
    assert [file.name for file in read_sources(tmp_path)] == ["a.py"]
