"""What every verb that talks to the daemon shares: its address, its token, and --json."""

from __future__ import annotations

import functools
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from executor.cli import address

if TYPE_CHECKING:
    from executor.cli.client import Daemon

Url = Annotated[str | None, typer.Option("--url", metavar="URL", help="The daemon's address (FPAI_URL).")]
Token = Annotated[
    str | None, typer.Option("--token", metavar="TOKEN", help="Its token; FPAI_TOKEN keeps it out of `ps`.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the raw document on stdout.")]


@dataclass(frozen=True, slots=True)
class Session:
    """One command's link to the daemon and the form of its output."""

    daemon: Daemon
    as_json: bool

    def show(self, document: Any, otherwise: Callable[[], None]) -> None:
        """Print the document as JSON when asked to, else let `otherwise` print it for a person."""
        if self.as_json:
            print_json(document)
        else:
            otherwise()


def open_session(url: str | None, token: str | None, as_json: bool = False, timeout: float = 30.0) -> Session:
    """Find the daemon; nothing is sent yet."""
    from executor.cli.client import Daemon  # noqa: PLC0415 - http.client costs 50 ms that `version` need not pay

    return Session(Daemon(address.find(url, token), timeout), as_json)


def print_json(document: Any) -> None:
    """Write a document to stdout, indented for a terminal, on one line for a pipe."""
    indent = 2 if sys.stdout.isatty() else None
    print(json.dumps(document, indent=indent, ensure_ascii=False))


def talks(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb --url, --token and --json, and hand it the Session they make as its first argument."""

    @functools.wraps(verb)
    def command(*, url: str | None, token: str | None, as_json: bool, **given: Any) -> None:
        verb(open_session(url, token, as_json), **given)

    own = list(inspect.signature(verb, eval_str=True).parameters.values())[1:]
    shared = [_keyword("url", Url, None), _keyword("token", Token, None), _keyword("as_json", AsJson, False)]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + shared
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _keyword(name: str, annotation: Any, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
