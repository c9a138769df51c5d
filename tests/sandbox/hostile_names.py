"""A workspace full of traps, and names that try to leave it: the same ones for the same seed."""

from __future__ import annotations

import hashlib
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

CANARY = b"canary-2c91"
ONLY_OUTSIDE = "only-outside"
"""A file outside and in `.git` whose name no generated name holds."""
_PLAIN = [
    "app",
    "tests",
    "x.py",
    "deep",
    "new",
    "ä",
    "日本",
    "a b",
    "-rf",
    "~",
    "$HOME",
    "%2e%2e",
    "*",
    "...",
]
_TRAPS = [
    "out", "outfile", "up", "slash", "chain", "chain2", "loop", "proc", "self", "pipe", "socket", "dangling",
    "app/out", "app/up", "deep/chain",
]  # fmt: skip
_GIT = [
    ".git", ".GIT", ".Git", ".git ", ".git.", ".g\u200cit", ".git::$INDEX_ALLOCATION", "git~1", "GIT~1",
    ".gitmodules", "x/.git/config", ".git/config", "app/.git/hooks/pre-commit",
]  # fmt: skip
_THROUGH = [
    "out/secret", "out/new", "out/app/x.py", "outfile", "chain/secret", "chain2/app/new", "app/out/x.py",
    "up/work-outside/secret", "app/up/work-outside/secret", "slash/etc/passwd", "gitlink/config", "dangling",
    "self/pyproject.toml", "proc/self/environ", "deep/chain/secret", "gitlink/new",
]  # fmt: skip
_STEPS = ["..", ".", "", "...", ". .", "..\\", "\u2025", "\uff0e\uff0e", "..\0", ".. "]
_ODD = ["\0", "a\0b", "\n", "\r\nx", "\x7f", "\u202e", "\ud800", "\\..\\..", "C:\\x", "x" * 256, "é" * 128]
_STARTS = [
    "",
    "",
    "",
    "",
    "/ws/",
    "/ws",
    "/wsx/",
    "/ws/../",
    "//ws/",
    "/ws//",
    "/",
    "./",
    "../",
    "~/",
    "file://",
]


def names(count: int, outside: Path, seed: int = 7) -> Iterator[str]:
    """`count` names: climbing, absolute, through links, prefixes of the root's own name, and good ones."""
    dice = random.Random(seed)
    true_places = [str(outside), str(outside / "secret"), "/etc/passwd", "/proc/self/environ", outside.name]
    beside = f"../{outside.name}/secret"
    for _ in range(count):
        pools = dice.choices(
            [_PLAIN, _TRAPS, _GIT, _STEPS, _ODD, true_places, ["secret", "outside"]],
            weights=[6, 5, 1, 2, 0.3, 0.7, 2],
            k=dice.choice([1, 1, 2, 2, 3, 4, 6]),
        )
        name = dice.choice(_STARTS) + "/".join(dice.choice(pool) for pool in pools)
        through = dice.choice(("", "/ws/", "./")) + dice.choice(_THROUGH)
        climbing = "../" * dice.randint(1, 30) + "etc/passwd"
        long = dice.choice((name * 40, "a/" * dice.randint(200, 3000)))
        yield dice.choices([name, through, climbing, beside, long], weights=[40, 8, 1, 1, 1])[0]


def traps(parent: Path) -> tuple[Path, Path]:
    """Make a workspace with every kind of trap and, beside it, what must never be touched."""
    root, outside = parent / "work", parent / "work-outside"
    for directory in (root / "app", root / "tests", root / "deep" / "deep", root / ".git", outside / "app"):
        directory.mkdir(parents=True)
    for file in (outside / "secret", outside / "x.py", outside / "app" / "x.py", root / ".git" / "config"):
        file.write_bytes(CANARY)
    for directory in (outside, outside / "app", root / ".git"):
        (directory / ONLY_OUTSIDE).touch()
    (root / "app" / "x.py").write_text("x = 1\n")
    (root / "tests" / "x.py").write_text("x = 2\n")
    links = {
        "out": outside, "outfile": outside / "secret", "up": "..", "slash": "/",
        "chain": "chain2", "chain2": "out",
        "loop": "loop", "proc": "/proc", "self": "/proc/self/cwd", "dangling": outside / "made-by-us",
        "app/out": outside, "app/up": "../..", "deep/chain": "../chain", "gitlink": ".git",
    }  # fmt: skip
    for name, target in links.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(root / "socket"))
    return root, outside


def fingerprint(*trees: Path) -> str:
    """A digest of every name, kind, mode and content below some directories."""
    digest = hashlib.sha256()
    for tree in trees:
        for path in sorted(tree.rglob("*")):
            seen = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            digest.update(repr((str(path), seen.st_mode, seen.st_uid, content)).encode())
    return digest.hexdigest()
