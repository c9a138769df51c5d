"""The form in which a model answers when it writes a SPEC."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MOST_QUESTIONS = 3
_TAKEN = frozenset({"go_on", "architect"})  # questions of the executor's own


class AuthorQuestion(BaseModel):
    """Something that the intent leaves open and that changes what is built."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(description="One or two lower-case words for the subject, joined by _")
    question: str = Field(description="One sentence that the architect can answer without reading the SPEC")
    options: list[str] = Field(
        description="Two to four answers, a few words each; the default is one of them"
    )
    default: str = Field(description="The answer that this SPEC is built on")
    why: str = Field(description="What would be built differently, in one sentence")


class AuthorReply(BaseModel):
    """One version of a SPEC."""

    model_config = ConfigDict(extra="forbid")

    questions: list[AuthorQuestion] = Field(
        description="At most three, the most consequential first; mostly none"
    )
    assumptions: list[str] = Field(
        description="What the SPEC takes for granted beyond the intent, one sentence each"
    )
    removed: list[str] = Field(
        description="For a new release: each endpoint that is served now and not any more, as"
        ' "METHOD /path: the words of the intent that ask for it"; else empty'
    )
    spec: str = Field(description="The sections of the SPEC as Markdown, each below a level 2 heading")

    @property
    def asked(self) -> list[AuthorQuestion]:
        """The questions that may be asked."""
        return self.questions[:MOST_QUESTIONS]


def as_asked(questions: Iterable[AuthorQuestion]) -> tuple[dict[str, Any], ...]:
    """The questions as a build asks them, each under a name of its own."""
    asked: dict[str, dict[str, Any]] = {}
    for question in questions:
        name = re.sub(r"\W+", "_", question.id.lower()).strip("_")[:40] or "question"
        while name in asked or name in _TAKEN:
            name += "_"
        asked[name] = {
            "id": name,
            "question": question.question,
            "options": list(dict.fromkeys([*question.options, question.default])),
            "default": question.default,
            "why": question.why,
            "free_text": True,
        }
    return tuple(asked.values())


def as_assumption(question: AuthorQuestion) -> str:
    """A question that nobody was asked, as what was taken for its answer."""
    return f"{question.question} Nobody was asked; assumed: {question.default}. {question.why}"


def decisions(
    questions: Iterable[Mapping[str, Any]], answers: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """The questions that were asked, each with its answer."""
    return tuple((str(q["question"]), answers[q["id"]]) for q in questions if q["id"] in answers)
