"""Which build is meant: a whole id, a unique prefix, @last, or the only one that waits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from executor.cli import exits, words
from executor.cli.client import Daemon
from executor.cli.exits import CliError

LAST = "@last"
BUILDS = "/executor/builds"
_WHOLE_ID = re.compile(r"build-\d+-.+-\d{8}-\d{3,}")
_PAGE = 200
_MOST = 20


def every_build(daemon: Daemon, **query: Any) -> Iterator[dict[str, Any]]:
    """All builds that match, newest first, page by page through the Link header."""
    reply = daemon.get(BUILDS, limit=_PAGE, **query)
    while True:
        yield from reply.json()
        following = re.search(r'[?&]cursor=([^&>]+)[^>]*>;\s*rel="?next', reply.headers.get("link", ""))
        if not following:
            return
        from urllib.parse import unquote  # noqa: PLC0415 - only long histories get here

        reply = daemon.get(BUILDS, limit=_PAGE, cursor=unquote(following[1]), **query)


def build_id(daemon: Daemon, given: str) -> str:
    """Turn what was typed into a build's id. Raises CliError (exit 5) when none or several fit."""
    if given == LAST:
        newest = daemon.get(BUILDS, limit=1).json()
        if not newest:
            raise CliError(
                "There is no build yet.", hint='Start one: fpai build "…"', exit_code=exits.CONFLICT
            )
        return str(newest[0]["build_id"])
    if _WHOLE_ID.fullmatch(given):
        return given
    fitting = [row for row in every_build(daemon) if str(row["build_id"]).startswith(given)]
    exact = [row for row in fitting if row["build_id"] == given]
    if len(exact or fitting) == 1:
        return str((exact or fitting)[0]["build_id"])
    if not fitting:
        raise CliError(
            f"No build's id begins with {given!r}.",
            hint="`fpai list` shows them all.",
            exit_code=exits.CONFLICT,
        )
    raise CliError(
        f"{len(fitting)} builds begin with {given!r}:\n{candidates(fitting)}",
        hint="Type more of the id, or use @last for the newest build.",
        exit_code=exits.CONFLICT,
    )


def waiting_build(daemon: Daemon) -> str:
    """The only build that waits for a decision: an open gate first, else a review. Raises CliError."""
    open_gates = list(every_build(daemon, status="waiting_approval"))
    waiting = open_gates or [row for row in every_build(daemon, status="complete") if awaits_review(row)]
    if len(waiting) == 1:
        return str(waiting[0]["build_id"])
    if not waiting:
        raise CliError(
            "No build waits for a decision.", hint="`fpai list` shows what runs.", exit_code=exits.CONFLICT
        )
    raise CliError(
        f"{len(waiting)} builds wait for a decision:\n{candidates(waiting)}",
        hint="Name one of them.",
        exit_code=exits.CONFLICT,
    )


def awaits_review(document: Mapping[str, Any]) -> bool:
    """True for a complete build whose review nobody has decided."""
    review = document.get("review")
    return (
        document.get("status") == "complete"
        and isinstance(review, dict)
        and review.get("decision") in {None, "", "pending"}
    )


def candidates(rows: list[dict[str, Any]]) -> str:
    """The builds one might have meant, one a line."""
    lines = [f"  {row['build_id']}  {words.state_words(row.get('status'))[2]}" for row in rows[:_MOST]]
    return "\n".join([*lines, f"  … and {len(rows) - _MOST} more"] if len(rows) > _MOST else lines)
