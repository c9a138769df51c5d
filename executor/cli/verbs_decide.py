"""approve, reject, revise, answer, budget, cancel, retry, rollback: what a person decides."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from executor.cli import exits, words
from executor.cli.completion import complete_build, complete_word
from executor.cli.exits import CliError
from executor.cli.session import Session, talks
from executor.cli.verbs_build import BuildArgument

OptionalBuild = Annotated[
    str | None,
    typer.Argument(
        metavar="BUILD",
        help="A build's id, a unique prefix, or @last; left out: the only one that waits.",
        autocompletion=complete_build,
    ),
]
Checkpoint = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        metavar="NAME",
        help="spec_generated, built or deployed; else what is open.",
        autocompletion=complete_word("spec_generated", "built", "deployed"),
    ),
]
Feedback = Annotated[str | None, typer.Option("--feedback", metavar="TEXT", help="What you want to say.")]
GateId = Annotated[
    str | None, typer.Option("--gate-id", metavar="ID", help="Decide only if this very gate is still open.")
]


@talks
def approve(
    session: Session,
    build: OptionalBuild = None,
    *,
    checkpoint: Checkpoint = None,
    feedback: Feedback = None,
    gate_id: GateId = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not show the evidence and ask; scripts are never asked.")
    ] = False,
) -> None:
    """Say yes: the build goes on, or its review is accepted.

    On a terminal the evidence is shown first, and the answer counts for the gate that was shown.
    """
    from executor.cli.ask import can_ask  # noqa: PLC0415

    if can_ask() and not yes and not session.as_json:
        build, shown = _looked_at(session, build, checkpoint)
        gate_id = gate_id or shown
    _decide(session, build, "approve", checkpoint=checkpoint, feedback=feedback, gate_id=gate_id)


@talks
def reject(
    session: Session,
    build: OptionalBuild = None,
    *,
    checkpoint: Checkpoint = None,
    feedback: Feedback = None,
    gate_id: GateId = None,
) -> None:
    """Say no: the build ends, or its release is rolled back."""
    _decide(session, build, "reject", checkpoint=checkpoint, feedback=feedback, gate_id=gate_id)


@talks
def revise(
    session: Session,
    build: OptionalBuild = None,
    *,
    checkpoint: Checkpoint = None,
    feedback: Feedback = None,
    gate_id: GateId = None,
) -> None:
    """Send it back with what is to change."""
    from executor.cli.ask import asked, can_ask  # noqa: PLC0415

    if not feedback and can_ask():
        feedback = asked("What is to change?")
    if not feedback:
        raise CliError("A revision needs words.", hint='Say what is to change: --feedback "…".')
    _decide(session, build, "revise", checkpoint=checkpoint, feedback=feedback, gate_id=gate_id)


@talks
def answer(
    session: Session,
    build: BuildArgument,
    answers: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID=TEXT", help="One for each question; plain text answers the only question."
        ),
    ] = None,
) -> None:
    """Answer a build's questions; asks for them on a terminal."""
    from executor.cli.pick import build_id  # noqa: PLC0415
    from executor.cli.watch import status_of  # noqa: PLC0415

    chosen = build_id(session.daemon, build)
    questions = list(status_of(session.daemon, chosen).get("questions") or ())
    given = _given(answers or [], questions) if answers else _asked(questions, chosen)
    _send(session, "POST", chosen, "answer", {"answers": given})


@talks
def budget(
    session: Session,
    build: BuildArgument,
    usd: Annotated[float, typer.Argument(metavar="USD", help="Dollars to add.")],
) -> None:
    """Give a build more money."""
    _act(session, build, "budget", {"usd": usd})


@talks
def cancel(session: Session, build: BuildArgument) -> None:
    """End a build; what it had deployed is withdrawn."""
    from executor.cli.pick import build_id  # noqa: PLC0415

    _send(session, "DELETE", build_id(session.daemon, build), "", None)


@talks
def retry(
    session: Session,
    build: BuildArgument = "@last",
    from_step: Annotated[
        int | None,
        typer.Option(
            "--from", metavar="N", min=1, max=8, help="The step to begin with; else the failed one."
        ),
    ] = None,
) -> None:
    """Let a failed or ended build try again."""
    _act(session, build, "retry", {} if from_step is None else {"from_step": from_step})


@talks
def rollback(
    session: Session,
    build: BuildArgument,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="RELEASE", help="An earlier release, or its build; else the newest one."
        ),
    ] = None,
) -> None:
    """Withdraw a build's release; the earlier one serves again, or the one that --to names."""
    _act(session, build, "rollback", {"to": to} if to else {})


def _looked_at(session: Session, build: str | None, checkpoint: str | None) -> tuple[str, str | None]:
    """Show what is asked and let a person say yes to that; returns the build and the gate that was shown.

    Where nothing is open, or another checkpoint than the one meant, the daemon's own refusal says it best.
    """
    from executor.cli import evidence  # noqa: PLC0415
    from executor.cli.ask import confirmed  # noqa: PLC0415
    from executor.cli.watch import status_of  # noqa: PLC0415

    chosen = _chosen(session, build)
    document = status_of(session.daemon, chosen)
    gate = evidence.open_gate(document)
    if gate is None or checkpoint not in {None, gate.get("checkpoint")}:
        return chosen, None
    evidence.show(session.daemon, document, gate)
    if not confirmed("Approve?"):
        told = f"Nothing was decided.\n  change it: fpai revise {chosen}\n  say no: fpai reject {chosen}"
        print(told, file=sys.stderr)
        raise typer.Exit(exits.WAITING)
    return chosen, gate.get("gate_id")


def _chosen(session: Session, build: str | None) -> str:
    from executor.cli.pick import build_id, waiting_build  # noqa: PLC0415

    return build_id(session.daemon, build) if build else waiting_build(session.daemon)


def _decide(
    session: Session,
    build: str | None,
    decision: str,
    *,
    checkpoint: str | None,
    feedback: str | None,
    gate_id: str | None,
) -> None:
    chosen = _chosen(session, build)
    body: dict[str, Any] = {"decision": decision}
    body |= {"checkpoint": checkpoint} if checkpoint else {}
    body |= {"feedback": feedback} if feedback else {}
    body |= {"gate_id": gate_id} if gate_id else {}
    _send(session, "POST", chosen, "approve", body)


def _act(session: Session, build: str, verb: str, body: dict[str, Any]) -> None:
    from executor.cli.pick import build_id  # noqa: PLC0415

    _send(session, "POST", build_id(session.daemon, build), verb, body)


def _send(session: Session, method: str, build: str, verb: str, body: dict[str, Any] | None) -> None:
    """Send a decision and say in one line where it leaves the build."""
    from executor.cli.advice import next_commands  # noqa: PLC0415
    from executor.cli.client import segment  # noqa: PLC0415

    path = f"/executor/builds/{segment(build)}" + (f"/{verb}" if verb else "")
    document = session.daemon.send(method, path, body).json()

    def show() -> None:
        doing = f", {document.get('current_step_name')}" if document.get("status") == "in_progress" else ""
        budget = document.get("budget_usd")
        money = f", {words.cost(document)}" if budget is not None and verb == "budget" else ""
        print(f"{build}: {words.state_words(document.get('status'))[2]}{doing}{money}")
        for what, command in next_commands({"build_id": build, **document}):
            print(f"  {what}: {command}", file=sys.stderr)

    session.show(document, show)


def _given(answers: list[str], questions: list[dict[str, Any]]) -> dict[str, str]:
    """Sort `id=text` by question; one plain text belongs to the only question."""
    known = {str(question.get("id")) for question in questions}
    sorted_out: dict[str, str] = {}
    for text in answers:
        name, equals, value = text.partition("=")
        if equals and name in known:
            sorted_out[name] = value
        elif len(known) == 1 and len(answers) == 1:
            sorted_out[next(iter(known))] = text
        else:
            raise CliError(
                f"{text!r} answers none of the questions.",
                hint=f"Write ID=TEXT; asked is: {', '.join(sorted(known)) or 'nothing'}.",
            )
    return sorted_out


def _asked(questions: list[dict[str, Any]], build: str) -> dict[str, str]:
    from executor.cli.ask import asked, can_ask  # noqa: PLC0415

    if not questions or not can_ask():
        ids = " ".join(f'{question.get("id")}="…"' for question in questions)
        told = (
            f"fpai answer {build} {ids}" if questions else f"`fpai status {build}` shows what it waits for."
        )
        raise CliError("There is nothing to send." if questions else f"{build} asks nothing.", hint=told)
    found: dict[str, str] = {}
    for question in questions:
        text = words.plain(question.get("question", ""))
        options = f" ({' / '.join(map(str, question['options']))})" if question.get("options") else ""
        found[str(question.get("id"))] = asked(text + words.plain(options), question.get("default"))
    return found
