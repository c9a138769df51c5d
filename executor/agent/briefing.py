"""What the executor tells the Apprentice: its order, a round's verdict, and what helps when it is stuck."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from executor.agent.progress import Progress
from executor.agent.prompts import prompt
from executor.domain.conversation import StopReason
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import VerifierReport
from executor.domain.gates import Checkpoint
from executor.domain.step import Said

INTERRUPTED = (
    "interrupted: the executor was stopped while this call ran, and its effect is unknown. The workspace is"
    " as it was before the call. Inspect first, then repeat what is still needed."
)
CUT_OFF = (
    "not run: your reply reached its limit of tokens inside this call, so its input is incomplete. Do the"
    " same in smaller pieces."
)
NOT_YET = (
    "not run: first read what the round before it in this reply found, and what is said about it. One round"
    " at a time."
)
_OUTPUT = 6_000
_EVIDENCE = 1_500
_DIFF = 40_000
# As agent/questions.py names them; what other steps ask, they hear themselves.
_OWN_QUESTIONS = frozenset({"go_on", "architect"})
_IDLE = (
    "You ended your turn without calling a tool. If everything in the SPEC is built and tested, call"
    " `finish`; otherwise go on."
)
_CUT = (
    "Your reply reached its limit of tokens and was cut there. Go on from where it ends, in smaller pieces."
)
_ON: dict[str | None, str] = {
    StopReason.END_TURN: _IDLE,
    StopReason.STOP_SEQUENCE: _IDLE,
    StopReason.MAX_TOKENS: _CUT,
    StopReason.PAUSE_TURN: "Go on.",
    StopReason.TOOL_USE: "",
}
"""What a reply of each kind is answered with beside tool results; the two that are missing are setbacks."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built. `earlier` describes the release that this one replaces, empty for the first."""

    identity: DropletIdentity
    spec: str
    files: Sequence[str]
    packages: Sequence[str]
    max_iterations: int
    earlier: str = ""


def system_prompt() -> str:
    """Who the Apprentice is and how its work is judged; the same for every build, so that it is cached."""
    return prompt("apprentice")


def opening(order: Order) -> str:
    """The first message of the first conversation."""
    return prompt(
        "apprentice_start",
        title=order.identity.title,
        slug=order.identity.slug,
        earlier=order.earlier,
        spec=order.spec,
        files="\n".join(order.files),
        packages=", ".join(order.packages),
        max_iterations=str(order.max_iterations),
    )


def fresh_start(order: Order, progress: Progress, diff: str, last_words: str) -> str:
    """The first message of a later conversation: the SPEC and the failures verbatim, the rest in short."""
    return prompt(
        "apprentice_fresh",
        title=order.identity.title,
        spec=order.spec,
        packages=", ".join(order.packages),
        journal=journal_of(progress) or "No round has been run yet.",
        verdict=progress.verdict or "No round has been run yet.",
        diff=diff if len(diff) <= _DIFF else f"{diff[:_DIFF]}\n… cut here; read the files for the rest.",
        settled="\n".join(progress.settled) or "(nothing)",
        last_words=last_words or "(nothing)",
        left=str(max(0, progress.allowed - progress.iteration)),
    )


def verdict_text(number: int, report: VerifierReport) -> str:
    """What the model is told of a round."""
    if report.passed:
        return (
            f"Iteration {number}: green. {report.tests_passing} tests pass and all"
            f" {len(report.findings)} rules hold. If the SPEC is served and tested in full, call `finish`."
        )
    lines = [
        f"Iteration {number}: not yet. {report.tests_passing} tests pass, {report.tests_failing} fail;"
        f" {len(report.failures)} of {len(report.findings)} rules fail:"
    ]
    lines += [f"- {f.rule} {f.title}: {f.evidence[:_EVIDENCE]}" for f in report.failures]
    output = report.output.get("tests", "")
    if report.tests_failing and output:
        lines += ["", "The end of the test run's output:", output[-_OUTPUT:]]
    service = report.output.get("service", "")
    if service and any(f.rule.startswith("U") for f in report.failures):
        lines += ["", "The end of the service's output:", service[-_OUTPUT // 3 :]]
    return "\n".join(lines)


def unchanged_text(progress: Progress) -> str:
    """The answer to a round that could only repeat the last one."""
    return f"Nothing has changed since the last round, so it was not repeated.\n\n{progress.verdict}"


def nudge(progress: Progress) -> str:
    """What is said when the same failures came back again and again."""
    return prompt("apprentice_nudge", journal=journal_of(progress))


def go_on_after(stop_reason: str | None) -> str:
    """What a reply without a result to report is answered with. Raises KeyError for a reason nobody knows."""
    return _ON[stop_reason]


def journal_of(progress: Progress) -> str:
    """One line for each round."""
    return "\n".join(
        f"{e['iteration']}. {'green' if e['green'] else 'failing'}: {e['passing']} tests pass,"
        f" {e['failing']} fail" + (f" ({', '.join(e['failed'][:8])})" if e["failed"] else "")
        for e in progress.journal
    )


def concerns_builder(item: Said) -> bool:
    """True for words to whoever builds: not for those about the SPEC or packages, nor for an approval's."""
    if not item.feedback or item.decision == "approve":
        return False
    if item.decision == "answer":
        return not (answers := _answers(item.feedback)) or bool(_OWN_QUESTIONS & answers.keys())
    return item.checkpoint != Checkpoint.SPEC_GENERATED


def still_holds(said: Sequence[Said]) -> list[Said]:
    """What a fresh conversation has to know of all that was said: people's words and the last repair.

    Answers to the model's own questions are in Progress.settled, with the questions.
    """
    repairs = [item for item in said if item.decision == "repair"]
    return [
        item
        for item in said
        if concerns_builder(item)
        and (item.decision != "repair" or item is repairs[-1])
        and (item.decision != "answer" or "architect" not in _answers(item.feedback))
    ]


def news(said: Sequence[Said]) -> list[str]:
    """What people, the Verifier and the Deployer said, as the model is told."""
    return [_one(item) for item in said if concerns_builder(item)]


def _one(item: Said) -> str:
    if item.decision == "repair":
        return (
            "The work was sent back by the executor after your last `finish`. Mend what it found, keep the"
            f" rest, and call `finish` again.\n\n{item.feedback}"
        )
    if item.decision == "answer":
        return f"The architect answers: {_plain(item.feedback)}"
    return f"The architect asks for a revision: {item.feedback}"


def _plain(feedback: str) -> str:
    answers = _answers(feedback)
    return "; ".join(str(answer) for answer in answers.values()) if answers else feedback


def _answers(feedback: str) -> dict[str, Any]:
    """The answers by question; empty for words that are none."""
    try:
        answers = json.loads(feedback)
    except ValueError:
        return {}
    return answers if isinstance(answers, dict) else {}
