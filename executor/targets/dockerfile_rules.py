"""What each instruction of a droplet's Dockerfile may say: the template's forms, with other values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

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
_PLAIN_PATH = re.compile(r"\./|(\./)?[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*/?")
_HEALTH_OPTION = re.compile(r"--(interval|timeout|start-period)=[0-9]{1,3}s|--retries=[0-9]{1,2}")


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


CHECKS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
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
)
"""What is wrong with the words after an instruction, "" when nothing is; others are not allowed at all."""
