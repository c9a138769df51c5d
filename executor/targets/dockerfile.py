"""A droplet's Dockerfile, read into what it may say; everything else is refused with its line.

What a build runs is model-written until it is proven harmless, so nothing is filtered out: only the forms of
the droplet template pass, with other values where a value may differ (trust.md, hostile Dockerfile).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from executor.errors import ReleaseAtFault
from executor.targets.dockerfile_rules import CHECKS

_MOST_BYTES = 16 << 10
_DIRECTIVE = re.compile(r"#\s*[a-z]+\s*=", re.IGNORECASE)
_REQUIREMENTS = (["requirements.txt", "./"], ["requirements.txt", "./requirements.txt"])


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """What was read: the image that it starts from, and whether the image tells how well it is."""

    base: str
    has_healthcheck: bool


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    word: str
    rest: str


def read_dockerfile(source: Path) -> Dockerfile:
    """Read `source`/Dockerfile. Raises ReleaseAtFault, naming the line, for anything that is not allowed."""
    path = source / "Dockerfile"
    if path.is_symlink() or not path.is_file():
        raise _refused(0, "there is no such file")
    if path.stat().st_size > _MOST_BYTES:
        raise _refused(0, f"it is longer than {_MOST_BYTES >> 10} KiB")
    try:
        text = path.read_bytes().decode("ascii")  # docker ends a line at \n alone, and so do we
    except UnicodeDecodeError as error:
        raise _refused(0, "only ASCII is allowed in it") from error
    return _read(text)


def _read(text: str) -> Dockerfile:
    lines = list(_instructions(text))
    if not lines or lines[0].word != "FROM":
        raise _refused(lines[0].number if lines else 0, "FROM has to be the first instruction")
    for line in lines:
        check = CHECKS.get(line.word)
        if check is None:
            raise _refused(line.number, f"{line.word} is not allowed")
        if problem := check(line.rest):
            raise _refused(line.number, problem)
    words = [line.word for line in lines]
    _require_order(lines, words)
    return Dockerfile(base=lines[0].rest, has_healthcheck="HEALTHCHECK" in words)


def _instructions(text: str) -> Iterator[_Line]:
    """Whole instructions, continued lines joined just as docker joins them: without a blank of its own."""
    held, first = "", 0
    for number, raw in enumerate(text.split("\n"), 1):
        if any(ord(sign) < 32 and sign != "\t" for sign in raw):
            raise _refused(number, "control characters are not allowed")
        line = raw.strip()
        if not line or line.startswith("#"):
            _check_remark(line, number, continued=bool(first))
            continue
        first = first or number
        if line.endswith("\\"):
            held += raw.rstrip()[:-1]
            continue
        word, _, rest = (held + raw).strip().partition(" ")
        yield _Line(first, word, rest.strip())
        held, first = "", 0
    if first:
        raise _refused(first, "the last instruction is not finished")


def _check_remark(line: str, number: int, *, continued: bool) -> None:
    if continued:
        raise _refused(number, "a continued instruction may not hold empty lines or comments")
    if _DIRECTIVE.match(line):
        raise _refused(number, "parser directives are not allowed")


def _require_order(lines: list[_Line], words: list[str]) -> None:
    for once in ("FROM", "USER", "CMD"):
        if words.count(once) != 1:
            raise _refused(lines[-1].number, f"{once} is needed exactly once")
    user = words.index("USER")
    if "RUN" in words[user:] or "COPY" in words[user:]:
        raise _refused(lines[user].number, "USER has to come after every RUN and COPY")
    _require_clean_runs(lines, words)


def _require_clean_runs(lines: list[_Line], words: list[str]) -> None:
    """RUN is root with a network: nothing of the repository but its checked requirements may be there yet."""
    for line in lines[: _last(words, "RUN")]:
        if line.word == "ENV" or (line.word == "COPY" and line.rest.split() not in _REQUIREMENTS):
            raise _refused(line.number, "before RUN only `COPY requirements.txt ./` is allowed")


def _last(words: list[str], word: str) -> int:
    return max((at for at, found in enumerate(words) if found == word), default=0)


def _refused(line: int, problem: str) -> ReleaseAtFault:
    where = f"Dockerfile, line {line}" if line else "Dockerfile"
    return ReleaseAtFault(
        f"{where}: {problem}; the image was not built.",
        log=f"{where}: {problem}.",
        hint="Start from the template's Dockerfile and change values only.",
    )
