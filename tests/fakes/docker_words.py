"""The words of docker's commands: which it knows, which options each takes, and what they mean."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.fakes.docker_images import Refused

# What each command takes: options with a word after them, and options without.
_OPTIONS: dict[str, tuple[str, str]] = {
    "run": (
        "pull name network restart cap-drop security-opt memory memory-swap pids-limit stop-timeout"
        " log-driver log-opt label env-file volume publish tmpfs user entrypoint",
        "detach read-only",
    ),
    "build": ("tag label", "quiet pull=false rm force-rm"),
    "ps": ("filter", "all quiet no-trunc"),
    "image ls": ("filter", "quiet no-trunc"),
    "version": ("format", ""),
    "update": ("restart", ""),
    "stop": ("time", ""),
    "kill": ("signal", ""),
    "rm": ("", "force"),
    "logs": ("tail", ""),
    "load": ("input", "quiet"),
    "save": ("output", ""),
    "pull": ("", "quiet"),
    "push": ("", "quiet"),
}
_PLAIN = (
    "start", "tag", "exec", "top", "image inspect", "image rm", "container inspect", "network inspect",
    "network create",
)  # fmt: skip


def command_of(argv: Sequence[str]) -> str:
    """The command that the words begin with, in one word or in two; raises Refused for an unknown one."""
    two = " ".join(argv[:2])
    command = two if two in _OPTIONS or two in _PLAIN else argv[0]
    if command not in _OPTIONS and command not in _PLAIN:
        raise Refused(f"docker: unknown command: docker {argv[0]}\n\nRun 'docker --help'")
    return command


def read(command: str, words: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The options that were given, by name, and the words after them.

    A container's own words come after the first word that is no option: they are not docker's.
    """
    valued, plain = (text.split() for text in _OPTIONS.get(command, ("", "")))
    given: dict[str, list[str]] = {}
    while words and words[0].startswith("--"):
        name = words.pop(0)[2:]
        if name in plain:
            given[name] = []
        elif name in valued and words:
            given.setdefault(name, []).append(words.pop(0))
        else:
            raise Refused(f"unknown flag: --{name}\n\nUsage:  docker {command} [OPTIONS]", 125)
    return given, words


def inspected(found: Sequence[Any], names: Sequence[str], text: str) -> str:
    """Those that are there on stdout; those that are not as errors."""
    out = json.dumps([one.inspected() for one in found if one is not None]) + "\n"
    missing = [text.format(name) for name, one in zip(names, found, strict=True) if one is None]
    if missing:
        raise Refused("\n".join(missing), out=out)
    return out


def labels(given: dict[str, list[str]]) -> dict[str, str]:
    """The labels that a listing is limited to."""
    return pairs([text.removeprefix("label=") for text in given.get("filter", [])])


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """name=value, as a dict."""
    return dict(text.split("=", 1) for text in texts)


def environment(files: Sequence[str]) -> dict[str, str]:
    """What the files of variables hold; raises Refused when one is missing."""
    found: dict[str, str] = {}
    for name in files:
        path = Path(name)
        if not path.exists():
            text = f"docker: open {name}: no such file or directory\n\nRun 'docker run --help'"
            raise Refused(text, 125)
        found |= pairs(path.read_text().splitlines())
    return found
