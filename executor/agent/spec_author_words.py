"""What the author of a SPEC is told: the order, what people said, and what is wrong with a version."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from executor.agent.prompts import prompt
from executor.domain.droplet import DropletIdentity
from executor.domain.step import Said

LONGEST_DRAFT = 20_000
_NO_WORDS = "(No words were given. Look again at what the intent says and at what you assumed.)"


@dataclass(frozen=True, slots=True)
class SpecOrder:
    """What a SPEC is to be written from. `asks` says that a person is there to answer questions.

    `draft` is what fp-tools wrote, `earlier` the SPEC of the release that serves now; both may be empty.
    """

    identity: DropletIdentity
    intent: str
    min_score: float
    asks: bool
    draft: str = ""
    earlier: str = ""


def opening(order: SpecOrder) -> str:
    """The first message."""
    identity = order.identity
    material = [
        prompt("spec_earlier", spec=order.earlier) if order.earlier else "",
        prompt("spec_draft", draft=order.draft[:LONGEST_DRAFT]) if order.draft else "",
    ]
    return prompt(
        "spec_start",
        title=identity.title,
        number=str(identity.id),
        name=identity.name,
        version=identity.version,
        port=str(identity.port),
        intent=order.intent,
        material="\n\n".join(part for part in material if part),
        asking=_asking(order),
    )


def _asking(order: SpecOrder) -> str:
    if order.asks:
        return "The architect can be asked before anything is built."
    return "Nobody can be asked: your defaults are built and recorded as assumptions."


def news(said: Sequence[Said], questions: Sequence[Mapping[str, Any]]) -> list[str]:
    """What people said that bears on the SPEC: answers to its questions, revisions, advice.

    Repairs are for whoever builds, and so are answers to questions of later steps.
    """
    return [text for item in said if (text := _one(item, questions))]


def _one(item: Said, questions: Sequence[Mapping[str, Any]]) -> str:
    if item.decision == "revise":
        return prompt("spec_revise", feedback=item.feedback.strip() or _NO_WORDS)
    given = answers_in(item)
    texts = {q["id"]: f"- {q['question']} {given[q['id']]}" for q in questions if q["id"] in given}
    if all(given[q["id"]] == q["default"] for q in questions if q["id"] in given):
        texts = {}  # the SPEC was written on just these answers
    parts = [prompt("spec_answers", answers="\n".join(texts.values()))] if texts else []
    if "go_on" in given:
        parts.append(prompt("spec_revise", feedback=given["go_on"]))
    return "\n\n".join(parts)


def answers_in(item: Said) -> dict[str, str]:
    """The answers that a person gave, by question; empty for anything else that was said."""
    if item.decision != "answer" or not item.feedback:
        return {}
    try:
        given = json.loads(item.feedback)
    except ValueError:
        return {}
    return {str(name): str(text) for name, text in given.items()} if isinstance(given, dict) else {}


def weak(score: float, min_score: float, problems: Sequence[str]) -> str:
    """What is said of a version that does not pass."""
    listed = "\n".join(f"- {problem}" for problem in problems)
    return prompt("spec_weak", score=f"{score:g}", min_score=f"{min_score:g}", problems=listed)
