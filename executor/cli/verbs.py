"""The verbs of fpai in one table, made into a typer application."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated

import typer

from executor import __version__
from executor.cli import (
    manual,
    verbs_artifacts,
    verbs_build,
    verbs_cost,
    verbs_decide,
    verbs_host,
    verbs_keep,
    verbs_logs,
    verbs_read,
)
from executor.cli.completion import complete_word
from executor.cli.session import AsJson, print_json

_WATCH, _READ, _DECIDE, _HOST = "Build", "Look", "Decide", "This machine"


def make_app() -> typer.Typer:
    """Put the verbs together."""
    app = typer.Typer(
        name="fpai",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=manual.root(),
        help="Say what you want built; a live, tested, registered service comes out.",
    )
    app.callback()(_root)
    for panel, verbs in _VERBS.items():
        for name, verb in verbs.items():
            about = manual.summary(inspect.getdoc(verb) or "")
            made = app.command(
                name, rich_help_panel=panel, cls=manual.Verb, help=about, epilog=manual.epilog(name)
            )
            made(verb)
    app.add_typer(verbs_host.config_app(), name="config", rich_help_panel=_HOST)
    return app


def completion(
    shell: Annotated[
        str,
        typer.Argument(
            metavar="SHELL", help="bash, zsh or fish.", autocompletion=complete_word("bash", "zsh", "fish")
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Print the script that makes a shell complete verbs, options and build ids."""
    from executor.cli.completion import script  # noqa: PLC0415

    text = script(shell)
    if as_json:
        print_json({"shell": shell, "script": text})
    else:
        print(text)


def version(as_json: AsJson = False) -> None:
    """Print the version."""
    if as_json:
        print_json({"version": __version__})
    else:
        print(f"fpai {__version__}")


_VERBS: dict[str, dict[str, Callable[..., None]]] = {
    _WATCH: {"build": verbs_build.build, "watch": verbs_build.watch},
    _READ: {
        "status": verbs_read.status,
        "logs": verbs_logs.logs,
        "list": verbs_read.list_builds,
        "droplets": verbs_read.droplets,
        "spec": verbs_artifacts.spec,
        "diff": verbs_artifacts.diff,
        "report": verbs_artifacts.report,
        "cost": verbs_cost.cost,
        "open": verbs_read.open_page,
    },
    _DECIDE: {
        "approve": verbs_decide.approve,
        "reject": verbs_decide.reject,
        "revise": verbs_decide.revise,
        "answer": verbs_decide.answer,
        "budget": verbs_decide.budget,
        "cancel": verbs_decide.cancel,
        "retry": verbs_decide.retry,
        "rollback": verbs_decide.rollback,
    },
    _HOST: {
        "serve": verbs_host.serve,
        "doctor": verbs_host.doctor,
        "init": verbs_host.init,
        "backup": verbs_keep.backup,
        "restore": verbs_keep.restore,
        "completion": completion,
        "version": version,
    },
}


def _root(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)
    ] = False,
) -> None:
    if show_version:
        version()
        raise typer.Exit
