"""cost: what one build spent turn by turn, or what all builds came to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from executor.cli.completion import complete_build
from executor.cli.session import Session, talks

_FROM_STATUS = (
    "build_id", "status", "model", "cost_usd", "cost_known", "budget_usd", "tokens", "cache_hit_rate",
)  # fmt: skip


@talks
def cost(
    session: Session,
    build: Annotated[
        str | None,
        typer.Argument(
            metavar="BUILD", help="One build; else the whole history.", autocompletion=complete_build
        ),
    ] = None,
) -> None:
    """Show what a build spent turn by turn, or what all builds came to."""
    document = _of_build(session, build) if build else session.daemon.get("/executor/cost").json()

    def show() -> None:
        # rich is loaded only where it draws
        from executor.cli.cost_history import history  # noqa: PLC0415
        from executor.cli.cost_tables import turns_table  # noqa: PLC0415

        (turns_table if build else history)(document)

    session.show(document, show)


def _of_build(session: Session, build: str) -> dict[str, Any]:
    from executor.cli.client import segment  # noqa: PLC0415
    from executor.cli.pick import build_id  # noqa: PLC0415
    from executor.cli.watch import status_of  # noqa: PLC0415

    chosen = build_id(session.daemon, build)
    status = status_of(session.daemon, chosen)
    turns = session.daemon.get(f"/executor/builds/{segment(chosen)}/turns").json()
    known = {name: status.get(name) for name in _FROM_STATUS}
    return {**known, "conversations": conversations(turns), "turns": turns}


def conversations(turns: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Turns, tokens, dollars and seconds of each conversation, in the order in which they began."""
    sums: dict[str, dict[str, Any]] = {}
    for turn in turns:
        name = str(turn["conversation"])
        fresh = {"turns": 0, "tool_calls": 0, "seconds": 0.0, "cost_usd": 0.0, "unknown": 0}
        known = sums.setdefault(
            name, {"conversation": name, **fresh, "tokens": dict.fromkeys(turn["tokens"], 0)}
        )
        known["turns"] += 1
        known["tool_calls"] += len(turn["tool_calls"])
        known["seconds"] = round(known["seconds"] + (turn["seconds"] or 0.0), 3)
        known["cost_usd"] = round(known["cost_usd"] + (turn["cost_usd"] or 0.0), 6)
        known["unknown"] += turn["cost_usd"] is None and turn["state"] != "failed"
        known["tokens"] = {kind: known["tokens"][kind] + count for kind, count in turn["tokens"].items()}
    return list(sums.values())
