"""build and watch: start a build, follow it, learn how it ended."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from executor.cli import exits, words
from executor.cli.advice import reattach
from executor.cli.completion import complete_build, complete_word
from executor.cli.exits import CliError
from executor.cli.session import Session, print_json, talks

BuildArgument = Annotated[
    str,
    typer.Argument(
        metavar="BUILD", help="A build's id, a unique prefix of it, or @last.", autocompletion=complete_build
    ),
]
_MODES = ("auto", "checkpoints", "final")


@talks
def build(
    session: Session,
    intent: Annotated[str, typer.Argument(metavar="INTENT", help="What you want, in one sentence.")],
    *,
    droplet_id: Annotated[int | None, typer.Option("--droplet-id", metavar="N", help="Its number.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Its name; else taken from the intent.")] = None,
    auto: Annotated[bool, typer.Option("--auto", help="No gate: the same as --mode auto.")] = False,
    auto_approve: Annotated[
        bool, typer.Option("--auto-approve", help="--auto, and the review accepted when all is green.")
    ] = False,
    mode: Annotated[
        str | None,
        typer.Option(
            "--mode",
            metavar="MODE",
            help="auto, checkpoints (two gates) or final (one).",
            autocompletion=complete_word("auto", "checkpoints", "final"),
        ),
    ] = None,
    notify: Annotated[
        list[str] | None,
        typer.Option(
            "--notify",
            metavar="CHANNEL",
            help="Tell slack, email or any \\[notify.NAME] of the daemon; may be repeated.",
        ),
    ] = None,
    budget: Annotated[
        float | None, typer.Option("--budget", metavar="USD", help="Dollars it may spend.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="TARGET",
            help="Where the release runs: process, docker, docker:HOST or swarm.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the SPEC and the plan; build nothing.")
    ] = False,
    follow: Annotated[
        bool | None, typer.Option("--watch/--detach", help="Follow it; the default on a terminal.")
    ] = None,
) -> None:
    """Build a droplet from one sentence."""
    wanted = {
        "architect_intent": intent,
        "droplet_id": droplet_id,
        "droplet_name": name,
        "approval_mode": _chosen_mode(mode, auto or auto_approve),
        "auto_approve": auto_approve or None,
        "notify_channels": notify or None,
        "budget_usd": budget,
        "target": target,
    }
    body = {key: value for key, value in wanted.items() if value is not None}
    if dry_run:
        from executor.cli.plan import show_plan  # noqa: PLC0415 - draws with rich

        plan = session.daemon.send("POST", "/executor/build-droplet?dry_run=1", body).json()
        session.show(plan, lambda: show_plan(plan))
        return
    reply = session.daemon.submit("/executor/build-droplet", body).json()
    following = sys.stderr.isatty() if follow is None else follow
    _announce(reply)
    if session.as_json:
        print_json(reply)
    elif not following:
        print(reply["build_id"])
    if following:
        _follow(session, str(reply["build_id"]), 0, None)


@talks
def watch(
    session: Session,
    build: BuildArgument = "@last",
    after: Annotated[int, typer.Option("--after", metavar="SEQ", min=0, help="Skip events up to this.")] = 0,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", min=0, help="Give up then (exit 124).")
    ] = None,
) -> None:
    """Follow a build live; Ctrl-C leaves it running."""
    from executor.cli.pick import build_id  # noqa: PLC0415

    _follow(session, build_id(session.daemon, build), after, timeout)


def _chosen_mode(mode: str | None, auto: bool) -> str | None:
    if mode is not None and mode not in _MODES:
        raise CliError(f"There is no approval mode {mode!r}.", hint=f"Use one of {', '.join(_MODES)}.")
    if auto and mode not in {None, "auto"}:
        raise CliError(f"--auto and --mode {mode} exclude each other.", hint="Leave one of them out.")
    return "auto" if auto else mode


def _announce(reply: dict[str, Any]) -> None:
    left = words.seconds_until(reply.get("estimated_completion"))
    estimate = f" estimated {words.long_duration(left)}" if left is not None else ""
    lines = [f"Building {words.droplet_title(reply)}...{estimate}"]
    lines += [f"! {words.plain(warning)}" for warning in reply.get("warnings") or ()]
    if reply.get("web_url"):
        lines.append(f"See it: {reply['web_url']}")
    lines.append(reattach(str(reply["build_id"])))
    print("\n".join(lines), file=sys.stderr, flush=True)


def _follow(session: Session, build_id: str, after: int, timeout: float | None) -> None:
    """Watch in the form that fits the terminal, print the summary, end with the build's exit code."""
    try:
        document = _watched(session, build_id, after, timeout)
    except KeyboardInterrupt:
        print(f"\nDetached; the build goes on.\n{reattach(build_id)}", file=sys.stderr, flush=True)
        raise typer.Exit(exits.DETACHED) from None
    if not session.as_json:
        from executor.cli.summary import print_summary  # noqa: PLC0415 - draws with rich

        print_summary(session.daemon, document)
    raise typer.Exit(exits.for_build(document) or exits.OK)


def _watched(session: Session, build_id: str, after: int, timeout: float | None) -> dict[str, Any]:
    from executor.cli.console import can_move  # noqa: PLC0415 - draws with rich
    from executor.cli.views import JsonView, LineView, LiveView  # noqa: PLC0415 - not needed by the other verbs
    from executor.cli.watch import watch as until_over  # noqa: PLC0415

    if session.as_json or not can_move():
        view = JsonView() if session.as_json else LineView()
        return until_over(session.daemon, build_id, view, after=after, timeout=timeout)
    with LiveView(session.daemon, build_id) as live:
        return until_over(session.daemon, build_id, live, after=after, timeout=timeout)
