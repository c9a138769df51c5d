"""The SPEC by the model: one durable conversation, judged by the executor's own rules after every version."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from executor.agent.access import ModelAccess
from executor.agent.conversation import Conversation
from executor.agent.prompts import prompt
from executor.agent.spec_author_form import AuthorReply, as_asked, as_assumption, decisions
from executor.agent.spec_author_words import SpecOrder, answers_in, news, opening, weak
from executor.domain.events import NewEvent
from executor.domain.outcome import Ask
from executor.domain.spec import SpecScore
from executor.domain.spec_document import CONVENTIONS, Authored, assemble
from executor.domain.spec_faults import dropped, faults
from executor.domain.spec_score import score_spec
from executor.domain.step import Said, StepContext
from executor.errors import Permanent

CONVERSATION = "spec"
MOST_REVISIONS = 3
HEARD, ASKED, REVISIONS = "spec_heard", "spec_questions", "spec_revisions"
"""Facts: how many sayings the author knows, what was asked, and how often this version was sent back."""


@dataclass(frozen=True, slots=True)
class AuthoredSpec:
    """A SPEC that passed; its assumptions are in it too. `facts` join the build's with the step's own."""

    markdown: str
    score: SpecScore
    assumptions: tuple[str, ...]
    removed: tuple[str, ...]
    model: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Version:
    markdown: str
    score: SpecScore
    assumptions: tuple[str, ...]
    removed: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpecAuthor:
    """Writes SPECs. Whatever was said and answered is on disk, so that writing again goes on, never anew."""

    access: ModelAccess

    async def write(self, context: StepContext, order: SpecOrder) -> AuthoredSpec | Ask:
        """Return a SPEC that passes, or the questions to ask first.

        Raises Permanent with code SPEC_TOO_WEAK when three revisions do not mend it, and what
        Conversation.ask raises: Transient, BudgetSpent, ContextExceeded, Permanent.
        """
        talk = await self.access.open(context, CONVERSATION, system=_system(), output=AuthorReply)
        said = await context.sayings()
        await self._tell(context, talk, order, said)
        while True:
            context.progress("asking the model for the SPEC")
            reply = await talk.parsed(AuthorReply)
            if order.asks and reply.questions and not context.build.facts.get(ASKED):
                return _ask(reply)
            # A long SPEC takes longer to read than the event loop may stand still.
            version = await asyncio.to_thread(_version, order, reply, _answered(context, said))
            context.log(_line(version, order))
            if not version.problems:
                return self._passed(version, len(said))
            await _send_back(context, talk, order, version)

    def _passed(self, version: _Version, heard: int) -> AuthoredSpec:
        return AuthoredSpec(
            markdown=version.markdown,
            score=version.score,
            assumptions=version.assumptions,
            removed=version.removed,
            model=self.access.model,
            facts={HEARD: heard, "assumptions": list(version.assumptions)},
        )

    async def _tell(
        self, context: StepContext, talk: Conversation, order: SpecOrder, said: Sequence[Said]
    ) -> None:
        """Say what the author does not know yet; nothing when the step only runs again."""
        facts = context.build.facts
        fresh = news(said[int(facts.get(HEARD, 0)) :], facts.get(ASKED) or ())
        heard = {HEARD: len(said), REVISIONS: 0}
        if talk.is_empty:
            event = NewEvent("spec_ordered", "The model is asked for the SPEC.")
            await talk.say(opening(order), *fresh, facts=heard, event=event)
        elif fresh:
            event = NewEvent("spec_told", "The model is told what was said about the SPEC.")
            await talk.say(*fresh, facts=heard, event=event)


def _system() -> str:
    """Who the author is and how a SPEC is judged; the same for every build, so that it is cached."""
    return prompt("spec", conventions=CONVENTIONS)


def _ask(reply: AuthorReply) -> Ask:
    questions = as_asked(reply.asked)
    count = f"{len(questions)} question" + "s" * (len(questions) != 1)
    reason = f"The intent leaves {count} open; an answer now costs less than another build."
    return Ask(reason, questions, {ASKED: list(questions)})


def _answered(context: StepContext, said: Sequence[Said]) -> tuple[tuple[str, str], ...]:
    given: dict[str, str] = {}
    for item in said:
        given |= answers_in(item)
    return decisions(context.build.facts.get(ASKED) or (), given)


def _version(order: SpecOrder, reply: AuthorReply, decided: tuple[tuple[str, str], ...]) -> _Version:
    settled = {question for question, _ in decided}
    left_open = [q for q in reply.asked if q.question not in settled]
    assumptions = (*reply.assumptions, *map(as_assumption, left_open))
    removed = tuple(reply.removed)
    markdown = assemble(order.identity, order.intent, Authored(reply.spec, assumptions, decided, removed))
    score = score_spec(markdown)
    return _Version(markdown, score, assumptions, removed, _problems(order, markdown, score, removed))


def _problems(order: SpecOrder, spec: str, score: SpecScore, removed: tuple[str, ...]) -> tuple[str, ...]:
    """Why this version does not pass; empty when it does."""
    found = [*score.errors, *faults(spec)]
    found += [
        f"{endpoint} is served now and is missing; keep it, or name it under `removed` with the words of the"
        " intent that ask for that."
        for endpoint in dropped(order.earlier, spec, removed)
    ]
    if score.overall < order.min_score:
        found += score.recommendations or ("Its sections are too short.",)
    return tuple(found)


async def _send_back(context: StepContext, talk: Conversation, order: SpecOrder, version: _Version) -> None:
    count = int(context.build.facts.get(REVISIONS, 0)) + 1
    if count > MOST_REVISIONS:
        await _give_up(context, version, order)
    score, problems = version.score.overall, version.problems
    event = NewEvent(
        "spec_sent_back",
        f"A SPEC of {score:g} points goes back to the model ({count} of {MOST_REVISIONS}): {problems[0]}",
        {"score": score, "problems": list(problems)},
    )
    await talk.say(weak(score, order.min_score, problems), facts={REVISIONS: count}, event=event)


async def _give_up(context: StepContext, version: _Version, order: SpecOrder) -> NoReturn:
    """Fail the build; a retry finds the count at 0 and revises on."""
    message = f"The SPEC was revised {MOST_REVISIONS} times and does not pass."
    await context.record("spec_refused", message, {REVISIONS: 0}, data={"problems": list(version.problems)})
    points = f"It has {version.score.overall:g} points and needs {order.min_score:g}."
    raise Permanent(
        f"{message} {points} {' '.join(version.problems)}",
        hint="Say more in a new intent, or lower [spec] min_score;"
        f" `fpai retry {context.build.id}` lets the model revise it again.",
        code="SPEC_TOO_WEAK",
    )


def _line(version: _Version, order: SpecOrder) -> str:
    verdict = f"sent back: {' '.join(version.problems)}" if version.problems else "passes"
    return (
        f"SPEC of {len(version.markdown)} characters by the model, score {version.score.overall:g} of"
        f" {order.min_score:g} needed; {len(version.assumptions)} assumptions; {verdict}"
    )
