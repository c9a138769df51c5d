"""Secrets that are known to be secrets, and a search for them that shares nothing with the redaction it judges."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

_HALF = 13
_LOOK_SECONDS = 0.05
_LEFT_OUT = frozenset({"venvs", "caches"})
"""What the resolver made of public packages; the search of it would take longer than all the rest."""
Find = tuple[str, str, str]
"""Which secret, in which encoding, where."""


def core(name: str) -> str:
    """24 letters and digits that are in no other text, the same at every run."""
    return base64.b32encode(hashlib.sha256(f"canary {name}".encode()).digest())[:24].decode()


def needles(secret_core: str) -> Iterator[tuple[str, bytes]]:
    """The core of one secret in each encoding. Letters and digits stand as they are in most of them."""
    raw = secret_core.encode()
    yield "plain", raw
    yield "its first half", raw[:_HALF]
    yield "its second half", raw[-_HALF:]
    yield "hex", raw.hex().encode()
    yield "capital hex", raw.hex().upper().encode()
    yield "hex with colons", raw.hex(":").encode()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw)
        inside = encoded[4 * ((before + 2) // 3) : 4 * ((before + len(raw)) // 3)]
        yield f"base64 {before}", inside
        yield f"base64url {before}", inside.replace(b"+", b"-").replace(b"/", b"_")
    yield "URL-quoted throughout", "".join(f"%{byte:02X}" for byte in raw).encode()
    yield "unicode escapes", "".join(f"\\u{byte:04x}" for byte in raw).encode()
    yield "UTF-16", secret_core.encode("utf-16-le")


@dataclass
class Canaries:
    """`cores` by the secret's name; `searched` counts the places, `read` their bytes."""

    cores: Mapping[str, str]
    searched: int = 0
    read: int = 0
    found: list[Find] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._needles = [
            (name, how, needle) for name, one in self.cores.items() for how, needle in needles(one)
        ]

    def search(self, where: str, data: bytes | str) -> None:
        """Look through one place; a line end inside of an encoding hides nothing."""
        self.searched += 1
        whole = data.encode("utf-8", "replace") if isinstance(data, str) else data
        self.read += len(whole)
        joined = whole.replace(b"\r", b"").replace(b"\n", b"")
        for name, how, needle in self._needles:
            if needle in whole or needle in joined:
                self.found.append((name, how, where))

    def search_files(self, root: Path) -> None:
        """Every file below a directory, and every name; links are not followed."""
        for directory, folders, files in os.walk(root):
            folders[:] = [name for name in folders if name not in _LEFT_OUT]
            self.search(directory, "\n".join([directory, *folders, *files]))
            for name in files:
                path = Path(directory, name)
                with suppress(FileNotFoundError):
                    self.search(str(path), os.readlink(path) if path.is_symlink() else path.read_bytes())

    def search_database(self, path: Path) -> None:
        """Every table as SQL, the pages that were freed and the log in front of it as bytes."""
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            for line in database.iterdump():
                self.search(f"{path.name}: {line[:60]}", line)
            for (table,) in database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            ).fetchall():
                for row in database.execute(f'SELECT * FROM "{table}"'):
                    for value in row:
                        if isinstance(value, bytes):
                            self.search(f"{path.name}: {table}", value)
        for part in path.parent.glob(f"{path.name}*"):
            self.search(str(part), part.read_bytes())

    def search_repository(self, git_dir: Path) -> None:
        """Every object, loose or packed, reachable or not; refs, logs and configuration as files."""
        argv = ["git", "--git-dir", str(git_dir), "cat-file", "--batch-all-objects", "--batch"]
        stream = memoryview(subprocess.run(argv, capture_output=True, check=True).stdout)
        while stream:
            line = bytes(stream[:200]).partition(b"\n")[0]
            length = int(line.split()[2])
            self.search(f"{git_dir.name}: {line.decode()}", bytes(stream[len(line) + 1 :][:length]))
            stream = stream[len(line) + 1 + length + 1 :]
        self.search_files(git_dir)

    def search_mails(self, mails: Iterable[EmailMessage]) -> None:
        """Headers and bodies, as they came and decoded."""
        for mail in mails:
            self.search(f"mail {mail['Subject']}", mail.as_bytes())
            for part in mail.walk():
                if not part.is_multipart():
                    self.search(f"mail {mail['Subject']}", part.get_payload(decode=True) or b"")


class ProcessWatch:
    """Looks at every process of this machine that began after it, again and again, until it is left.

    A process with `ours` among its words may know the secrets: the daemon itself, or who asks it something.
    `excused` are variables that one process is given on purpose.
    """

    def __init__(self, canaries: Canaries, ours: bytes, excused: re.Pattern[bytes]) -> None:
        self._canaries = canaries
        self._excused = excused
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ours = ours
        self.seen: set[bytes] = set()

    def __enter__(self) -> ProcessWatch:
        self._before = set(os.listdir("/proc"))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._ended.is_set():
            self.look()
            time.sleep(_LOOK_SECONDS)

    def look(self) -> None:
        """Look once at every process's words and environment; each is judged when it is new."""
        for name in os.listdir("/proc"):
            if not name.isdigit() or name in self._before:
                continue
            path = Path("/proc", name)
            with suppress(OSError):
                words = path.joinpath("cmdline").read_bytes()
                given = path.joinpath("environ").read_bytes()
                # Until it has become another program, a child shows its parent's environment: look again later.
                if not words or self._ours in words or words != path.joinpath("cmdline").read_bytes():
                    continue
                told = words + b"\0\0" + given
                if told not in self.seen:
                    self.seen.add(told)
                    self._canaries.search(f"process {words!r}", self._excused.sub(b"", told))
