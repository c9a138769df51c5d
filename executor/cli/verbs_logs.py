"""logs: what a build has said, all of it or its end, filtered, and as it is written."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from executor.cli import exits, words
from executor.cli.completion import complete_word
from executor.cli.exits import CliError
from executor.cli.session import Session, talks
from executor.cli.verbs_build import BuildArgument

_POLL = 1.0
_AT_ONCE = 5000
_LEVELS = ("debug", "info", "warning", "error")
_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[31m", "debug": "\x1b[2m"}
_END = "\x1b[0m"


@talks
def logs(
    session: Session,
    build: BuildArgument = "@last",
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the build is over.")] = False,
    tail: Annotated[
        int | None, typer.Option("--tail", "-n", metavar="N", min=0, help="Begin with the last N lines.")
    ] = None,
    search: Annotated[str, typer.Option("--search", metavar="TEXT", help="Only lines with this text.")] = "",
    level: Annotated[
        str,
        typer.Option(
            "--level",
            metavar="LEVEL",
            help="Only debug, info, warning or error.",
            autocompletion=complete_word(*_LEVELS),
        ),
    ] = "",
    step: Annotated[
        int | None, typer.Option("--step", metavar="N", min=1, max=8, help="Only this step.")
    ] = None,
) -> None:
    """Print a build's log."""
    from executor.cli.pick import build_id  # noqa: PLC0415

    log = _Log(session, build_id(session.daemon, build), step, {"search": search, "level": level})
    over = not follow or log.is_over()
    first: Iterable[Mapping[str, Any]] = log.new_lines()
    log.show(first if tail is None else deque(first, maxlen=tail))
    while not over:
        time.sleep(_POLL)
        # Read before the lines: what was written before the end is then certainly in them.
        over = log.is_over()
        log.show(log.new_lines())


class _Log:
    """One build's lines from where they were read last; a daemon that is away for a while is waited for."""

    def __init__(self, session: Session, build: str, step: int | None, only: Mapping[str, str]) -> None:
        self._session, self._build, self._step, self._only = session, build, step, only
        self._after = 0
        self._found = False

    def is_over(self) -> bool:
        """True when the build is finished or waits for a person."""
        from executor.cli.watch import status_of  # noqa: PLC0415

        with self._daemon_may_be_away():
            return exits.for_build(status_of(self._session.daemon, self._build)) is not None
        return False

    def new_lines(self) -> Iterator[Mapping[str, Any]]:
        """Every line that fits and was not told before."""
        from executor.cli.client import segment  # noqa: PLC0415 - http.client

        path = f"/executor/builds/{segment(self._build)}/log"
        page: Mapping[str, Any] = {"lines": True}
        while page["lines"]:
            page = {"lines": ()}
            with self._daemon_may_be_away():
                page = self._session.daemon.get(path, after=self._after, limit=_AT_ONCE, **self._only).json()
                self._found = True
            self._after = int(page.get("next") or self._after)
            yield from (row for row in page["lines"] if self._step in {None, row.get("step")})

    @contextmanager
    def _daemon_may_be_away(self) -> Iterator[None]:
        """Once it has answered, it is waited for; before that its absence is told at once."""
        try:
            yield
        except CliError as error:
            if not self._found or error.exit_code != exits.UNREACHABLE:
                raise

    def show(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Print the lines."""
        from executor.cli.pager import has_colour  # noqa: PLC0415

        in_colour = has_colour()
        for row in rows:
            if self._session.as_json:
                print(_json(row))
            else:
                print(_line(row, in_colour))
        sys.stdout.flush()


def _json(row: Mapping[str, Any]) -> str:
    import json  # noqa: PLC0415

    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _line(row: Mapping[str, Any], in_colour: bool) -> str:
    when, level = words.clock(row.get("timestamp")), words.plain(row.get("level", ""))
    text = f"{when} {row.get('step')} {level:<7} {words.plain(row.get('text', ''))}"
    colour = _COLOURS.get(level, "") if in_colour else ""
    return f"{colour}{text}{_END}" if colour else text
