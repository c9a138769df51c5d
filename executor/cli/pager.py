"""Long text on a terminal: coloured, and page by page; in a pipe or a file it is the bytes as they are."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable

from executor.cli import words

_LESS = "FRX"
"""Quit at once when it fits on a screen, show colours, leave the text on the screen."""
_BOLD, _RED, _GREEN, _CYAN, _END = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[0m"
_HEADS = ("diff --git ", "index ", "--- ", "+++ ", "new file", "deleted file", "similarity ", "rename ")
_COLOURS = (*((head, _BOLD) for head in _HEADS), ("@@", _CYAN), ("+", _GREEN), ("-", _RED))


def has_colour() -> bool:
    """True when stdout is a terminal that shows colours, and nobody has asked for none."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") in {"", "dumb"}
    return sys.stdout.isatty() and not is_plain


def show_diff(text: str, *, paged: bool = True) -> None:
    """Print a unified diff."""
    _show(text, lambda clean: "\n".join(map(_coloured, clean.split("\n"))), paged=paged)


def show_markdown(text: str, *, paged: bool = True) -> None:
    """Print Markdown, set for reading on a terminal."""
    _show(text, _rendered, paged=paged)


def show_text(text: str, *, paged: bool = True) -> None:
    """Print lines as they are."""
    _show(text, str, paged=paged)


def _show(text: str, dressed: Callable[[str], str], *, paged: bool) -> None:
    if not sys.stdout.isatty():
        sys.stdout.write(text if text.endswith("\n") or not text else f"{text}\n")
        return
    # Nothing that a model wrote may steer the terminal.
    clean = words.plain(text).rstrip("\n")
    shown = (dressed(clean) if has_colour() else clean).rstrip("\n") + "\n"
    argv = _pager() if paged else []
    if not argv or _fits(shown):
        sys.stdout.write(shown)
    else:
        _page(argv, shown)


def _pager() -> list[str]:
    """PAGER as git reads it, else less; nothing where there is none, or it is cat."""
    argv = shlex.split(os.environ.get("PAGER", "less"))
    return argv if argv and argv[0] != "cat" and shutil.which(argv[0]) else []


def _fits(text: str) -> bool:
    columns, lines = shutil.get_terminal_size()
    return sum(1 + max(0, len(line) - 1) // max(1, columns) for line in _without_colour(text)) < lines


def _without_colour(text: str) -> Iterable[str]:
    for code in (_BOLD, _RED, _GREEN, _CYAN, _END):
        text = text.replace(code, "")
    return text.splitlines()


def _page(argv: list[str], text: str) -> None:
    env = {"LESS": _LESS, "LESSCHARSET": "utf-8", **os.environ}
    pager = subprocess.Popen(argv, stdin=subprocess.PIPE, env=env, text=True, encoding="utf-8")
    try:
        pager.communicate(text)
    except (BrokenPipeError, KeyboardInterrupt):
        pass  # the reader has seen enough; Ctrl-C is the pager's own
    finally:
        _until_left(pager)


def _until_left(pager: subprocess.Popen[str]) -> None:
    """Less stays open after Ctrl-C, and the terminal is its own until it is left."""
    while True:
        try:
            pager.wait()
            return
        except KeyboardInterrupt:
            continue


def _coloured(line: str) -> str:
    colour = next((colour for start, colour in _COLOURS if line.startswith(start)), "")
    return f"{colour}{line}{_END}" if colour else line


def _rendered(text: str) -> str:
    from rich.console import Console  # noqa: PLC0415 - rich is loaded only where it draws
    from rich.markdown import Markdown  # noqa: PLC0415

    console = Console(highlight=False, markup=False)
    with console.capture() as captured:
        console.print(Markdown(text))
    return captured.get()
