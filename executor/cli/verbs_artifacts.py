"""spec, diff, report: what a build made, as text for people and as documents for programs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from executor.cli.exits import CliError
from executor.cli.session import Session, talks
from executor.cli.verbs_build import BuildArgument

_MARKDOWN, _DIFF = "text/markdown", "text/x-diff"
_NoPager = Annotated[bool, typer.Option("--no-pager", help="All at once; PAGER names another pager.")]
_Version = Annotated[int | None, typer.Option("--version", metavar="N", min=1, help="An earlier one.")]


@talks
def spec(
    session: Session,
    build: BuildArgument = "@last",
    version: _Version = None,
    against: Annotated[
        int | None,
        typer.Option("--against", metavar="N", min=1, help="What changed since this one."),
    ] = None,
    *,
    no_pager: _NoPager = False,
) -> None:
    """Print a build's SPEC as Markdown, or what changed between two versions of it."""
    accept = _MARKDOWN if against is None else _DIFF
    _artifact(session, build, "spec", accept, paged=not no_pager, version=version, against=against)


@talks
def diff(
    session: Session,
    build: BuildArgument = "@last",
    *,
    iteration: Annotated[
        int | None,
        typer.Option("--iteration", metavar="N", min=1, help="As the work stood after this round."),
    ] = None,
    version: _Version = None,
    as_list: Annotated[bool, typer.Option("--list", help="List the diffs instead.")] = False,
    no_pager: _NoPager = False,
) -> None:
    """Print what a build changed in the droplet's repository."""
    if as_list and (iteration or version):
        raise CliError("--list shows every diff; it goes with neither --iteration nor --version.")
    if as_list:
        _list_diffs(session, build)
    else:
        _artifact(session, build, "diff", _DIFF, paged=not no_pager, iteration=iteration, version=version)


@talks
def report(session: Session, build: BuildArgument = "@last", *, no_pager: _NoPager = False) -> None:
    """Print a build's report."""
    _artifact(session, build, "report", _MARKDOWN, paged=not no_pager)


def _path(session: Session, build: str, kind: str) -> str:
    from executor.cli.client import segment  # noqa: PLC0415 - http.client costs what `version` need not pay
    from executor.cli.pick import build_id  # noqa: PLC0415

    return f"/executor/builds/{segment(build_id(session.daemon, build))}/{kind}"


def _list_diffs(session: Session, build: str) -> None:
    document = session.daemon.get(_path(session, build, "diff"), accept="application/json").json()
    versions = document["versions"]

    def show() -> None:
        from executor.cli.tables import diffs_table  # noqa: PLC0415 - draws with rich

        diffs_table(versions)

    session.show(versions, show)


def _artifact(session: Session, build: str, kind: str, accept: str, *, paged: bool, **query: Any) -> None:
    """Print an artifact: as JSON when asked to, else its text, whatever form the daemon keeps it in."""
    path = _path(session, build, kind)
    wanted = "application/json" if session.as_json else f"{accept}, text/plain;q=0.9, application/json;q=0.5"
    reply = session.daemon.get(path, accept=wanted, **query)
    is_json = "json" in reply.headers.get("content-type", "")
    if session.as_json:
        session.show(reply.json() if is_json else {"build_id": build, kind: reply.text()}, lambda: None)
        return
    from executor.cli import pager  # noqa: PLC0415

    if is_json:
        from executor.cli.tables import document_text  # noqa: PLC0415

        pager.show_text(document_text(reply.json(), kind), paged=paged)
    elif accept == _DIFF:
        pager.show_diff(reply.text(), paged=paged)
    else:
        pager.show_markdown(reply.text(), paged=paged)
