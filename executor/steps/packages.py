"""A package that no list names: a person decides where the mode has gates, nobody may have it in auto."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from executor.domain.build import ApprovalMode, Build
from executor.domain.outcome import Ask
from executor.domain.step import Said, StepContext
from executor.errors import ExecutorError

APPROVED, REFUSED, ASKED = "approved_packages", "refused_packages", "packages_asked"
"""Facts of a build."""
_QUESTION = "packages"


class PackagesWanted(ExecutorError):
    """The requirements name packages that only a person can allow; `names` says which."""

    code = "PACKAGES_WANTED"

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(f"The droplet wants to use {', '.join(names)}, which no list allows.")
        self.names = names


def approved_packages(build: Build) -> frozenset[str]:
    """What people have allowed this build beside the lists."""
    return frozenset(build.facts.get(APPROVED) or ())


def refuse_unasked(build: Build, foreign: tuple[str, ...]) -> None:
    """Raise PackagesWanted for names that a person has yet to decide on; in auto nobody is asked."""
    undecided = set(foreign) - approved_packages(build) - set(build.facts.get(REFUSED) or ())
    if undecided and build.approval_mode is not ApprovalMode.AUTO:
        raise PackagesWanted(tuple(sorted(undecided)))


async def question(context: StepContext, wanted: PackagesWanted) -> Ask:
    """What a person is asked."""
    asked = {"names": list(wanted.names), "said": len(await context.sayings())}
    text = (
        f"{wanted.message} Allow it for this droplet? A name may be misspelt or squatted; look it up first."
    )
    return Ask(
        wanted.message,
        ({"id": _QUESTION, "question": text, "options": ["allow", "refuse"], "default": "refuse"},),
        {ASKED: asked},
    )


async def settle(context: StepContext) -> None:
    """Take a person's answer to the last question about packages into the build's facts."""
    facts = context.build.facts
    asked = facts.get(ASKED)
    if not asked:
        return
    answers = [_answer(said) for said in (await context.sayings())[asked["said"] :]]
    if not any(answers):  # the build was retried instead: the question comes again
        return
    allowed = "allow" in answers
    kind = APPROVED if allowed else REFUSED
    decided: Mapping[str, Any] = {kind: sorted({*(facts.get(kind) or ()), *asked["names"]}), ASKED: None}
    word = "allowed" if allowed else "refused"
    await context.record(f"packages_{word}", f"{', '.join(asked['names'])}: {word} by a person.", decided)


def _answer(said: Said) -> str:
    try:
        answers = json.loads(said.feedback or "{}")
    except ValueError:
        return ""
    return str(answers.get(_QUESTION, "")) if isinstance(answers, dict) else ""
