"""`fpai doctor`: what is configured, what works, and what to do about the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from executor.cli import exits, words

State = Literal["ok", "warn", "fail"]
_LOOKS = {"ok": ("green", "✓"), "warn": ("yellow", "!"), "fail": ("red", "✗")}


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: `says` is what was seen, `fix` what to do about it ("" when nothing is)."""

    name: str
    state: State
    says: str
    fix: str = ""


def examine(config: Path | None, url: str | None, token: str | None, *, deep: bool = False) -> list[Check]:
    """Run every check, with `deep` those that take long or ask others, too.

    One that breaks is itself a failed check, never a traceback.
    """
    from executor.cli import doctor_checks  # noqa: PLC0415 - loads settings and sandbox

    _quiet()
    host = doctor_checks.look_around(config, url, token, deep=deep)
    checks = doctor_checks.CHECKS
    if deep:
        from executor.cli.doctor_deep import DEEP  # noqa: PLC0415 - aiohttp

        checks = (*checks, *DEEP)
    return [_guarded(check, host) for check in checks]


def _quiet() -> None:
    """What the daemon's parts log is said by the checks themselves; stdout is for the findings."""
    import structlog  # noqa: PLC0415 - with them

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _guarded(check: Callable[..., Check], host: object) -> Check:
    try:
        return check(host)
    except Exception as error:
        name = check.__name__.replace("_", " ")
        return Check(name, "fail", f"the check itself broke: {error!r}", "Report this as a bug.")


def exit_code(checks: Sequence[Check]) -> int:
    """0 when nothing failed, 1 otherwise; a warning is no failure."""
    return exits.FAILED if any(check.state == "fail" for check in checks) else exits.OK


def as_document(checks: Sequence[Check]) -> dict[str, object]:
    """The --json form."""
    return {"ok": exit_code(checks) == exits.OK, "checks": [asdict(check) for check in checks]}


def show(checks: Sequence[Check]) -> None:
    """Print the findings, each fix below its finding."""
    from rich.table import Table  # noqa: PLC0415 - rich is loaded only where it draws
    from rich.text import Text  # noqa: PLC0415

    from executor.cli.console import stdout  # noqa: PLC0415

    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    for check in checks:
        colour, mark = _LOOKS[check.state]
        said = Text(words.plain(check.says), overflow="fold")
        table.add_row(Text(f"{mark} {check.state:<4}", style=colour), Text(check.name, style="bold"), said)
        if check.fix:
            table.add_row("", "", Text(f"→ {words.plain(check.fix)}", style="cyan", overflow="fold"))
    stdout().print(table)
    counts = {state: sum(check.state == state for check in checks) for state in _LOOKS}
    print(f"{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failed")
