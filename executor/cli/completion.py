"""Completion of BUILD: ids and @last from the daemon, within half a second, silently nothing without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from executor.cli.exits import CliError
from executor.cli.session import open_session

_PATIENCE = 0.5
SHELLS = ("bash", "zsh", "fish")


def script(shell: str) -> str:
    """The shell's own code for completing fpai. Raises CliError for another shell than SHELLS."""
    if shell not in SHELLS:
        raise CliError(f"There is no completion for {shell!r}.", hint=f"Use one of {', '.join(SHELLS)}.")
    from typer._completion_shared import get_completion_script  # noqa: PLC0415 - typer has no other way

    return get_completion_script(prog_name="fpai", complete_var="_FPAI_COMPLETE", shell=shell)


def complete_build(incomplete: str) -> Iterator[tuple[str, str]]:
    """Offer @last and the newest ids that begin with what is typed, each with its status."""
    try:
        rows = open_session(None, None, timeout=_PATIENCE).daemon.get("/executor/builds", limit=50).json()
    except CliError:
        return
    if rows and "@last".startswith(incomplete):
        yield "@last", f"the newest build: {rows[0]['build_id']}"
    for row in rows:
        if str(row["build_id"]).startswith(incomplete):
            yield str(row["build_id"]), str(row.get("status", ""))


def complete_word(*known: str) -> Callable[[str], list[str]]:
    """Offer the words that an option knows."""

    def words(incomplete: str) -> list[str]:
        return [word for word in known if word.startswith(incomplete)]

    return words
