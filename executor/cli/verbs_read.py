"""status, logs, list, droplets, open: where builds stand and what they say."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import typer

from executor.cli import exits, words
from executor.cli.session import Session, print_json, talks
from executor.cli.verbs_build import BuildArgument

_BUILDS = "/executor/builds"
_POLL = 1.0


@talks
def status(session: Session, build: BuildArgument = "@last") -> None:
    """Show where a build stands."""
    document = _status(session, build)

    def show() -> None:
        from executor.cli.board import board  # noqa: PLC0415 - rich is loaded only where it draws
        from executor.cli.console import stdout  # noqa: PLC0415

        stdout().print(board(document))

    session.show(document, show)


@talks
def logs(
    session: Session,
    build: BuildArgument = "@last",
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the build is over.")] = False,
    search: Annotated[str, typer.Option("--search", metavar="TEXT", help="Only lines with this text.")] = "",
    level: Annotated[
        str, typer.Option("--level", metavar="LEVEL", help="Only debug, info, warning or error.")
    ] = "",
    step: Annotated[
        int | None, typer.Option("--step", metavar="N", min=1, max=8, help="Only this step.")
    ] = None,
) -> None:
    """Print a build's log."""
    from executor.cli.pick import build_id  # noqa: PLC0415

    chosen = build_id(session.daemon, build)
    line = 0
    while True:
        # Read before the lines: what was written before the end is then certainly in them.
        over = not follow or exits.for_build(_status(session, chosen)) is not None
        line = _print_lines(session, chosen, line, step, {"search": search, "level": level})
        if over:
            return
        time.sleep(_POLL)


@talks
def list_builds(
    session: Session,
    status: Annotated[str, typer.Option("--status", metavar="WORD", help="Only builds in this state.")] = "",
    droplet_id: Annotated[
        int | None, typer.Option("--droplet-id", metavar="N", help="Only this droplet's.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=200, help="At most so many.")] = 20,
) -> None:
    """List builds, newest first."""
    rows = session.daemon.get(_BUILDS, status=status, droplet_id=droplet_id, limit=limit).json()

    def show() -> None:
        from executor.cli.tables import builds_table  # noqa: PLC0415

        builds_table(rows)

    session.show(rows, show)


@talks
def droplets(session: Session) -> None:
    """List the droplets that were built, with address, release and health."""
    rows = session.daemon.get("/executor/droplets").json()

    def show() -> None:
        from executor.cli.tables import droplets_table  # noqa: PLC0415

        droplets_table(rows)

    session.show(rows, show)


@talks
def open_page(session: Session, build: BuildArgument = "@last") -> None:
    """Print the address of a build's page, and open it where there is a browser."""
    document = _status(session, build)
    address = str(document.get("web_url") or session.daemon.address.url)
    session.show({"web_url": address}, lambda: print(address))
    if sys.stdout.isatty() and not session.as_json:
        import webbrowser  # noqa: PLC0415 - needed by this verb only

        webbrowser.open(address)


def _status(session: Session, build: str) -> dict[str, Any]:
    from executor.cli.pick import build_id  # noqa: PLC0415
    from executor.cli.watch import status_of  # noqa: PLC0415

    return status_of(session.daemon, build_id(session.daemon, build))


def _print_lines(session: Session, build: str, after: int, step: int | None, only: dict[str, str]) -> int:
    """Print every line there is after `after`; return the number of the last one."""
    from executor.cli.client import segment  # noqa: PLC0415

    path = f"{_BUILDS}/{segment(build)}/log"
    while True:
        page = session.daemon.get(path, after=after, **only).json()
        for row in page["lines"]:
            if step is None or row.get("step") == step:
                _print_line(session, row)
        after = int(page.get("next") or after)
        if not page["lines"]:
            sys.stdout.flush()
            return after


def _print_line(session: Session, row: dict[str, Any]) -> None:
    if session.as_json:
        print_json(row)
        return
    when, level = words.clock(row.get("timestamp")), words.plain(row.get("level", ""))
    print(f"{when} {row.get('step')} {level:<7} {words.plain(row.get('text', ''))}")
