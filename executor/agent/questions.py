"""What a person is asked when the Apprentice cannot go on by itself: the reason, a dossier, one question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executor.agent.briefing import journal_of
from executor.agent.progress import Progress, allowed_again
from executor.domain.outcome import Ask
from executor.errors import BudgetSpent

_DIFF, _VERDICT = 6_000, 6_000


def stuck(progress: Progress, diff: str, more: int) -> Ask:
    """The same failures came back whatever was tried, or the iterations are used up."""
    failed = progress.journal[-1]["failed"] if progress.journal else []
    names = ", ".join(failed[:5]) + (" …" if len(failed) > 5 else "")
    reason = f"The Apprentice is stuck after {progress.iteration} iterations; what fails: {names}."
    question = _question(
        f"{reason} Say what it should do differently (any text), or retry as it is, or stop.",
        {
            "tried": journal_of(progress),
            "output": progress.verdict[-_VERDICT:],
            "diff": diff[:_DIFF],
            "commit": progress.commit,
            "last_green": progress.green or None,
        },
    )
    return Ask(reason, (question,), allowed_again(progress, more).facts())


def declined(progress: Progress, category: str) -> Ask:
    """The model will not go on; another conversation may."""
    reason = f"The model declined to go on ({category})."
    ways = "Say what to leave out or do differently (any text), retry in a fresh conversation, or stop."
    text = f"{reason} {ways}"
    return Ask(reason, (_question(text, {"tried": journal_of(progress)}),), {"declined": True})


def spent(error: BudgetSpent) -> Ask:
    """A limit is reached; `details` of the error has what going on would change."""
    question = _question(f"{error.message} {error.hint} Go on, or stop?", {}, free=False)
    return Ask(
        error.message,
        (question,),
        dict(error.details.get("facts", {})),
        needs=str(error.details.get("needs", "")),
    )


def wondered(asked: Mapping[str, Any], progress: Progress) -> Ask:
    """The model asks the architect; `asked` is the input of its call."""
    given = asked.get("options")
    options = [str(option) for option in given] if isinstance(given, list | tuple) else []
    default = str(asked.get("default") or (options[0] if options else ""))
    question = {
        "id": "architect",
        "question": str(asked.get("question", "")),
        "why": str(asked.get("why", "")),
        "options": options,
        "default": default,
        "free_text": True,
    }
    return Ask(f"The Apprentice asks: {question['question']}", (question,), progress.facts())


def _question(text: str, dossier: Mapping[str, Any], *, free: bool = True) -> dict[str, Any]:
    return {
        "id": "go_on",
        "question": text,
        "options": ["retry", "stop"],
        "default": "retry",
        "free_text": free,
        **({"dossier": dict(dossier)} if dossier else {}),
    }
