"""fpai: from the command line to a verb, and from an error to a message and an exit code."""

from __future__ import annotations

import os
import sys

from executor import __version__
from executor.cli import exits
from executor.cli.exits import CliError
from executor.collector import rest_while_loading

_ASKS_VERSION = (["version"], ["--version"])


def main() -> None:
    """Run fpai; the entry point of the console script."""
    if sys.argv[1:] in _ASKS_VERSION:
        # Scripts and editors ask for it often: answered before typer, and with it pydantic, are loaded.
        print(f"fpai {__version__}")
        return
    if sys.argv[1:] == ["serve"]:
        # The daemon's start, and a process that lasts: nothing of the command line stays in it.
        rest_while_loading()
        from executor.app import serve  # noqa: PLC0415 - the whole daemon

        sys.exit(serve())
    from executor.cli.verbs import make_app  # noqa: PLC0415

    try:
        make_app()(prog_name="fpai")
    except CliError as error:
        _explain(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader (head, less) has seen enough; keep Python from complaining at its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(exits.OK)


def _explain(error: CliError) -> None:
    lines = [f"fpai: {error.message}"]
    if error.hint:
        lines.append(f"  → {error.hint}")
    if error.request_id:
        lines.append(f"  request id {error.request_id}")
    print("\n".join(map(_fitted, "\n".join(lines).split("\n"))), file=sys.stderr)


def _fitted(line: str) -> str:
    """On a terminal a line is broken between words, never within an id or a command to copy."""
    if not sys.stderr.isatty():
        return line
    import shutil  # noqa: PLC0415 - only errors that a person reads get here
    import textwrap  # noqa: PLC0415

    columns = max(40, shutil.get_terminal_size().columns)
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(
        line, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
