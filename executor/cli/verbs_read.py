"""status, list, droplets, open: where builds stand."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from executor.cli.completion import complete_word
from executor.cli.session import Session, talks
from executor.cli.verbs_build import BuildArgument
from executor.cli.words import STATES

_BUILDS = "/executor/builds"


@talks
def status(session: Session, build: BuildArgument = "@last") -> None:
    """Show where a build stands, and whom it has told so."""
    document = _status(session, build)

    def show() -> None:
        from executor.cli.board import board  # noqa: PLC0415 - rich is loaded only where it draws
        from executor.cli.console import stdout  # noqa: PLC0415
        from executor.cli.told import lines, notices  # noqa: PLC0415

        told = lines(notices(session.daemon, str(document["build_id"])))
        stdout().print(board(document, told=told))

    session.show(document, show)


@talks
def list_builds(
    session: Session,
    status: Annotated[
        str,
        typer.Option(
            "--status",
            metavar="WORD",
            help="Only builds in this state.",
            autocompletion=complete_word(*STATES),
        ),
    ] = "",
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
        from executor.cli.browser import show  # noqa: PLC0415 - needed by this verb only

        if hint := show(address):
            print(hint, file=sys.stderr)


def _status(session: Session, build: str) -> dict[str, Any]:
    from executor.cli.pick import build_id  # noqa: PLC0415
    from executor.cli.watch import status_of  # noqa: PLC0415

    return status_of(session.daemon, build_id(session.daemon, build))
