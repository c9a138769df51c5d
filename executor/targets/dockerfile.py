"""A droplet's Dockerfile, read into what it may say; everything else is refused with its line.

What a build runs is model-written until it is proven harmless, so nothing is filtered out: only the forms of
the droplet template pass, with other values where a value may differ (trust.md, hostile Dockerfile).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from executor.errors import ReleaseAtFault

_MOST_BYTES = 16 << 10
_BASE = re.compile(r"python:3\.1[0-4]-slim(-bookworm|-trixie)?")
_COMMANDS = frozenset(
    {
        "pip install --no-cache-dir --only-binary :all: -r requirements.txt",
        "useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin droplet",
        "install -d -o droplet -g droplet /data",
    }
)
_PAIR = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.-]*)=(\"[^\"\\$`]*\"|[A-Za-z0-9_.,:/+-]*)(?=\s|$)")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_OWN_VARIABLES = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
_STEERING = re.compile(r"(PATH|HOME|LD_.*|PYTHON.*|PIP_.*|.*_PROXY|GCONV_PATH|BASH_ENV|ENV|IFS)")
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL")
_PLAIN_PATH = re.compile(r"(\./)?([A-Za-z0-9_][A-Za-z0-9_.-]*/?)*")
_HEALTH_OPTION = re.compile(r"--(interval|timeout|start-period)=[0-9]{1,3}s|--retries=[0-9]{1,2}")


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
        text = path.read_text(encoding="ascii")
    except UnicodeDecodeError as error:
        raise _refused(0, "only ASCII is allowed in it") from error
    return _read(text)


def _read(text: str) -> Dockerfile:
    lines = list(_instructions(text))
    if not lines or lines[0].word != "FROM":
        raise _refused(lines[0].number if lines else 0, "FROM has to be the first instruction")
    for line in lines:
        check = _CHECKS.get(line.word)
        if check is None:
            raise _refused(line.number, f"{line.word} is not allowed")
        if problem := check(line.rest):
            raise _refused(line.number, problem)
    words = [line.word for line in lines]
    _require_order(lines, words)
    return Dockerfile(base=lines[0].rest, has_healthcheck="HEALTHCHECK" in words)


def _instructions(text: str) -> Iterator[_Line]:
    """Whole instructions, continued lines joined by a blank."""
    held, first = "", 0
    for number, raw in enumerate(text.split("\n"), 1):
        if any(ord(sign) < 32 and sign != "\t" for sign in raw):
            raise _refused(number, "control characters are not allowed")
        line = raw.strip()
        if not held and (not line or line.startswith("#")):
            if re.match(r"#\s*[a-z]+\s*=", line, re.IGNORECASE):
                raise _refused(number, "parser directives are not allowed")
            continue
        if held and (not line or line.startswith("#")):
            raise _refused(number, "a continued instruction may not hold empty lines or comments")
        first = first or number
        if line.endswith("\\"):
            held += line[:-1].rstrip() + " "
            continue
        word, _, rest = (held + line).partition(" ")
        yield _Line(first, word, rest.strip())
        held, first = "", 0
    if held:
        raise _refused(first, "the last instruction is not finished")


def _require_order(lines: list[_Line], words: list[str]) -> None:
    for once in ("FROM", "USER", "CMD"):
        if words.count(once) != 1:
            raise _refused(lines[-1].number, f"{once} is needed exactly once")
    user = words.index("USER")
    if "RUN" in words[user:] or "COPY" in words[user:]:
        raise _refused(lines[user].number, "USER has to come after every RUN and COPY")


def _from(rest: str) -> str:
    return "" if _BASE.fullmatch(rest) else "the base has to be a python:3.x-slim image, without more words"


def _label(rest: str) -> str:
    pairs = _pairs(rest)
    if pairs is None:
        return 'labels are written name="value"'
    return "labels that begin with fpai. are the executor's own" if any(
        name.lower().startswith("fpai") for name, _ in pairs
    ) else ""  # fmt: skip


def _env(rest: str) -> str:
    pairs = _pairs(rest)
    if pairs is None:
        return 'variables are written NAME="value", without $'
    for name, _ in pairs:
        if not _VARIABLE.fullmatch(name):
            return f"{name} is no name of a variable"
        if name not in _OWN_VARIABLES and _STEERING.fullmatch(name):
            return f"{name} steers programs and may not be set"
        if _SECRET.search(name):
            return f"{name} looks like a secret, which does not belong into an image"
    return ""


def _workdir(rest: str) -> str:
    return "" if rest in {"/srv", "/app"} else "the working directory is /srv or /app"


def _copy(rest: str) -> str:
    paths = rest.split()
    if len(paths) < 2 or not all(_PLAIN_PATH.fullmatch(path) and ".." not in path for path in paths):
        return "COPY takes plain relative paths of the repository, without options"
    return ""


def _run(rest: str) -> str:
    commands = [" ".join(part.split()) for part in rest.split("&&")]
    unknown = [command for command in commands if command not in _COMMANDS]
    return f"RUN does only what the template's does, not: {unknown[0][:80]}" if unknown else ""


def _user(rest: str) -> str:
    return "" if rest in {"droplet", "10001"} else "the user has to be droplet"


def _volume(rest: str) -> str:
    return "" if rest in {'["/data"]', "/data"} else "the only volume is /data"


def _expose(rest: str) -> str:
    return "" if re.fullmatch(r"[1-9][0-9]{3,4}", rest) and int(rest) <= 65535 else "one port from 1000 on"


def _healthcheck(rest: str) -> str:
    options, found, command = rest.partition("CMD ")
    if not found or not all(_HEALTH_OPTION.fullmatch(option) for option in options.split()):
        return "HEALTHCHECK has its usual options and CMD with a list"
    return _exec_form(command)


def _exec_form(rest: str) -> str:
    try:
        words = json.loads(rest)
    except ValueError:
        words = None
    if isinstance(words, list) and words and all(isinstance(word, str) for word in words):
        return ""
    return 'a command is written as a list: ["program", "argument"]'


def _pairs(rest: str) -> list[tuple[str, str]] | None:
    found, at = [], 0
    while at < len(rest):
        match = _PAIR.match(rest, at)
        if match is None:
            return None
        found.append((match[1], match[2]))
        at = match.end()
    return found or None


_CHECKS: dict[str, Callable[[str], str]] = {
    "FROM": _from,
    "LABEL": _label,
    "ENV": _env,
    "WORKDIR": _workdir,
    "COPY": _copy,
    "RUN": _run,
    "USER": _user,
    "VOLUME": _volume,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "CMD": _exec_form,
}


def _refused(line: int, problem: str) -> ReleaseAtFault:
    where = f"Dockerfile, line {line}" if line else "Dockerfile"
    return ReleaseAtFault(
        f"{where}: {problem}; the image was not built.",
        log=f"{where}: {problem}.",
        hint="Start from the template's Dockerfile and change values only.",
    )
