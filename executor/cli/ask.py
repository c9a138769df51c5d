"""Questions on a terminal: asked on stderr, so that stdout stays data; Ctrl-C leaves with 130."""

from __future__ import annotations

import sys

import typer

from executor.cli import exits


def can_ask() -> bool:
    """True when a person can see a question and answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirmed(question: str) -> bool:
    """A yes or no; Enter means no."""
    try:
        return typer.confirm(question, default=False, err=True)
    except typer.Abort:
        raise _left() from None


def asked(question: str, default: str | None = None) -> str:
    """Words; Enter takes the default, where there is one."""
    try:
        return str(typer.prompt(question, default=default, err=True))
    except typer.Abort:
        raise _left() from None


def _left() -> typer.Exit:
    print("\nNothing was sent.", file=sys.stderr)
    return typer.Exit(exits.DETACHED)
