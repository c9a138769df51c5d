"""The Apprentice: a conversation that writes code, rounds that the executor runs, and the executor's "done".

Every turn of this loop looks at what is on disk and does the one thing that comes next, so going on after a
kill is the ordinary loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from executor.agent import questions
from executor.agent.access import ModelAccess
from executor.agent.briefing import (
    NOT_YET,
    Order,
    concerns_builder,
    fresh_start,
    go_on_after,
    news,
    nudge,
    opening,
    still_holds,
    system_prompt,
    unchanged_text,
    verdict_text,
)
from executor.agent.calls import Call, Calls, Toolbox, unkept
from executor.agent.conversation import Conversation
from executor.agent.progress import Move, Progress, after_round
from executor.agent.snapshots import Snapshots
from executor.agent.tools import TOOL_FORMS, ToolResult
from executor.domain.build import ApprovalMode
from executor.domain.conversation import Block, StopReason
from executor.domain.events import NewEvent
from executor.domain.findings import VerifierReport
from executor.domain.outcome import Artifact, Outcome
from executor.domain.step import Said, StepContext
from executor.errors import BudgetSpent, ContextExceeded, ExecutorError, Permanent

LONGEST_PROMPT = 150_000
"""Tokens of a prompt past which the work goes on in a fresh conversation."""
_LAST_WORDS = 4_000


@dataclass(frozen=True, slots=True)
class Workshop:
    """What the Apprentice works with for one build. `judge` runs a round on a commit; nobody else decides."""

    access: ModelAccess
    snapshots: Snapshots
    tools: Toolbox
    judge: Callable[[str], Awaitable[VerifierReport]]
    done: Callable[[str], Awaitable[Outcome]]
    diff: Callable[[str], Awaitable[str]]


class Apprentice:
    """One build's walk from a package to a commit that passes, or to a question."""

    def __init__(self, context: StepContext, workshop: Workshop, order: Order) -> None:
        self._context = context
        self._shop = workshop
        self._order = order
        self._talk: Conversation | None = None
        own = {"run_tests": self._run_tests, "finish": self._finish, "ask_architect": self._ask_architect}
        self._calls = Calls(context, workshop.access.turns, workshop.snapshots, workshop.tools, own)

    async def build(self) -> Outcome:
        """Work until a round is green and the model calls it finished, or a person has to decide.

        Raises Transient when the service is away, Permanent when it refuses the request as such.
        """
        await self._resume()
        try:
            while True:
                outcome = await self._next()
                if outcome is not None:
                    return outcome
        except BudgetSpent as error:
            return questions.spent(error)

    async def _next(self) -> Outcome | None:
        talk = await self._conversation()
        if (setback := self._setback(talk)) is not None:
            return await self._over(setback)
        if talk.is_empty:
            await talk.say(opening(self._order), facts=self._progress.facts())
        elif talk.is_answered:
            return await self._answer(talk)
        elif self._is_long() and len(talk.messages) > 1:
            await self._turn_over("context", self._progress.model)
        elif self._progress.model not in {self._shop.access.model, self._shop.access.stronger_model}:
            # A person chose another model since, and thoughts cannot be taken along to it.
            await self._turn_over("model", self._shop.access.model)
        else:
            await self._ask(talk)
        return None

    async def _ask(self, talk: Conversation) -> None:
        try:
            await talk.ask()
        except ContextExceeded:
            if self._setback(talk) is None:  # refused before anything was written, so nothing of it is kept
                await self._turn_over("context", self._progress.model)
        except Permanent:
            if self._setback(talk) is None:
                raise

    async def _answer(self, talk: Conversation) -> Outcome | None:
        """Run the tools of the last reply and tell the model what came of them."""
        said, _ = await self._unheard()
        if not said and await self._was_finished(talk):
            return await self._shop.done(self._progress.commit)
        outcome = await self._calls.run(talk.last)
        if outcome is not None:
            return outcome
        progress = self._progress
        if progress.pending is Move.ASK:
            return questions.stuck(progress, await self._diff(), self._order.max_iterations)
        if progress.pending is Move.FRESH:
            await self._turn_over("stuck", self._stronger())
            return None
        await self._tell(talk)
        return None

    async def _was_finished(self, talk: Conversation) -> bool:
        """True when a green `finish` was recorded and only the answer to the engine is missing."""
        if not self._progress.is_green:
            return False
        known = await self._shop.access.turns.calls(self._context.build.id, talk.last.turn or 0)
        return any(call.name == "finish" and call.result is not None for call in known.values())

    async def _tell(self, talk: Conversation) -> None:
        progress, results = self._progress, await self._calls.results(talk.last)
        said, heard_now = await self._unheard()
        notes = [nudge(progress)] if progress.pending is Move.NUDGE else []
        parts: list[str | Block] = [*results, *notes, *news(said)]
        parts = parts or [go_on_after(talk.last.stop_reason) or "Go on."]
        if talk.last.stop_reason == StopReason.MAX_TOKENS and results:
            parts.append(go_on_after(StopReason.MAX_TOKENS))
        if not notes and not said:
            await talk.say(*parts)
            return
        event = NewEvent("nudged", "The same failures came back three times: the model is nudged.")
        heard = replace(progress, pending=Move.NONE, heard=heard_now)
        if said:  # what was green was not good enough for whoever spoke
            heard = replace(heard, green="", judged="")
            event = NewEvent("apprentice_told", "The Apprentice goes on with what was said to it.")
        await talk.say(*parts, facts=heard.facts(), event=event)

    async def _turn_over(self, why: str, model: str) -> None:
        """Go on in a fresh conversation that knows the SPEC, the failures and what was tried."""
        await self._refuse_endless(why)
        words = self._last_words(self._talk)
        before, everything = self._progress, await self._context.sayings()
        heard, said = len(everything), still_holds(everything[before.heard_before :])
        progress = replace(before, chapter=before.chapter + 1, model=model, pending=Move.NONE, heard=heard)
        self._talk = fresh = await self._open(progress)
        text = fresh_start(self._order, progress, await self._diff(), words)
        reasons = {
            "context": "the conversation has grown long",
            "stuck": "the same failures came back",
            "declined": "the model declined",
            "model": "another model was chosen",
        }
        event = NewEvent(
            "fresh_context",
            f"A fresh conversation with {model} goes on, because {reasons[why]}.",
            {"model": model, "chapter": progress.chapter, "reason": why},
        )
        calm = {"setback": None, "declined": None, "prompt_tokens": 0}
        await fresh.say(text, *news(said), facts=progress.facts(**calm), event=event)

    async def _refuse_endless(self, why: str) -> None:
        """Raise Permanent where even a conversation that has just begun does not fit: the next would not."""
        if why != "context" or self._talk is None or len(self._talk.messages) > 1:
            return
        message = "The SPEC and the order alone do not fit what the model can take in."
        await self._context.record("context_exceeded", message, {"setback": None})
        raise Permanent(
            message,
            hint="Choose a [model] model with a larger window and retry, or cut the SPEC down.",
            code="CONTEXT_EXCEEDED",
        )

    def _stronger(self) -> str:
        """The model for what this one is stuck at; never one whose price a budget could not count."""
        access, name = self._shop.access, self._shop.access.stronger_model
        is_countable = not self._context.build.budget_usd or name in access.prices
        return name if name and is_countable else self._progress.model

    async def _over(self, setback: str) -> Outcome | None:
        progress = self._progress
        if setback == StopReason.CONTEXT_EXCEEDED:
            await self._turn_over("context", progress.model)
            return None
        if self._context.build.facts.get("declined"):  # and a person has let it go on
            await self._turn_over("declined", self._stronger())
            return None
        return questions.declined(progress, setback)

    # -- the executor's own tools ------------------------------------------------------------------------

    async def _run_tests(self, call: Call) -> ToolResult | None:
        progress = self._progress
        if progress.pending is not Move.NONE:
            return ToolResult(NOT_YET, is_error=True)
        try:
            snapshot = await self._shop.snapshots.save()
        except Permanent as error:
            return unkept(error)
        if snapshot == progress.judged:
            return ToolResult(unchanged_text(progress))
        await self._round(call, snapshot)
        return None

    async def _finish(self, call: Call) -> ToolResult | Outcome | None:
        progress = self._progress
        if progress.pending is not Move.NONE:
            return ToolResult(NOT_YET, is_error=True)
        try:
            snapshot = await self._shop.snapshots.save()
        except Permanent as error:
            return unkept(error)
        if snapshot != progress.judged:
            await self._round(call, snapshot)
            progress = self._progress
            return await self._shop.done(progress.commit) if progress.is_green else None
        if not progress.is_green:
            return ToolResult(unchanged_text(progress), is_error=True)
        await self._calls.finish(call, ToolResult("The round was green; the executor's Verifier takes over."))
        return await self._shop.done(progress.commit)

    async def _round(self, call: Call, snapshot: str) -> None:
        """One iteration: commit, judge, and the result with what follows from it in one checkpoint."""
        before, context = self._progress, self._context
        number = before.iteration + 1
        context.progress(f"iteration {number}: running the tests and the rules", iteration=number)
        commit = await self._shop.snapshots.iteration(number, before.commit or before.package)
        report = await self._shop.judge(commit)
        verdict = verdict_text(number, report)
        after = after_round(before, commit, snapshot, report, verdict)
        facts = after.facts(
            ai_iterations=number,
            tests_passing=report.tests_passing,
            tests_failing=report.tests_failing,
        )
        entry = dict(after.journal[-1])
        diff = Artifact(
            "diff", await self._diff(commit), {k: entry[k] for k in ("iteration", "commit", "green")}
        )
        await context.record(
            "iteration_finished",
            verdict.splitlines()[0],
            facts,
            data=entry,
            also=self._calls.finished(call, ToolResult(verdict), snapshot),
            artifacts=(diff,),
        )

    async def _ask_architect(self, call: Call) -> ToolResult | Outcome | None:
        default = str(call.input.get("default") or "")
        if self._context.build.approval_mode is ApprovalMode.AUTO:
            text = f"Nobody is asked in mode auto. Take your default and say so in README.md: {default}"
            self._context.log(f"Assumed: {call.input.get('question')}: {default}", "warning")
            return ToolResult(text)
        said, heard_now = await self._unheard()
        if not said:
            return questions.wondered(call.input, self._progress)
        answer = "\n".join(news(said))
        settled = (*self._progress.settled, f"{call.input.get('question', '')} {answer}")
        heard = replace(self._progress, heard=heard_now, settled=settled)
        # In one checkpoint: between two, a kill would lose the answer, and it would be asked for again.
        answered = self._calls.finished(call, ToolResult(answer))
        facts = heard.facts()
        await self._context.record("apprentice_told", "The architect has answered.", facts, also=answered)
        return None

    # -- what is known -----------------------------------------------------------------------------------

    @property
    def _progress(self) -> Progress:
        known = Progress.read(self._context.build.facts)
        if known is None:
            raise Permanent(
                "The Apprentice's progress is lost.", hint="`fpai retry --from 3` starts it anew."
            )
        return known

    async def _resume(self) -> None:
        """Begin, or put the workspace back to what the history tells of."""
        facts, package = self._context.build.facts, str(self._context.build.facts["package_commit"])
        known = Progress.read(facts)
        if known is None or known.package != package:
            chapter = known.chapter + 1 if known else 1
            said = len(await self._context.sayings())
            fresh = Progress(
                package,
                self._order.max_iterations,
                since_turn=await self._shop.access.turns.newest(self._context.build.id),
                chapter=chapter,
                model=self._shop.access.model,
                heard=said,
                heard_before=said,
            )
            begun = fresh.facts(
                setback=None, declined=None, prompt_tokens=0, provider="anthropic", ai_iterations=0
            )
            await self._context.record(
                "apprentice_started", f"{fresh.model} begins to build.", begun, data={}
            )
            known = fresh
        turns = self._shop.access.turns
        snapshot = await turns.last_snapshot(self._context.build.id, known.since_turn)
        await self._shop.snapshots.restore(snapshot or package)

    async def _conversation(self) -> Conversation:
        if self._talk is None:
            self._talk = await self._open(self._progress)
        return self._talk

    async def _open(self, progress: Progress) -> Conversation:
        return await self._shop.access.open(
            self._context,
            f"apprentice-{progress.chapter}",
            system=system_prompt(),
            tools=TOOL_FORMS,
            model=progress.model,
        )

    async def _unheard(self) -> tuple[tuple[Said, ...], int]:
        """What was said since the model was last told, and how much has been said in all."""
        everything = await self._context.sayings()
        return tuple(filter(concerns_builder, everything[self._progress.heard :])), len(everything)

    def _setback(self, talk: Conversation) -> str | None:
        setback = self._context.build.facts.get("setback") or {}
        return str(setback["reason"]) if setback.get("conversation") == talk.name else None

    def _is_long(self) -> bool:
        return int(self._context.build.facts.get("prompt_tokens", 0)) > LONGEST_PROMPT

    async def _diff(self, commit: str | None = None) -> str:
        try:
            return await self._shop.diff(commit or await self._shop.snapshots.save())
        except ExecutorError as error:
            return f"(no diff: {error.message})"

    def _last_words(self, talk: Conversation | None) -> str:
        said = [
            str(block.get("text", ""))
            for message in (talk.messages if talk else ())
            if message["role"] == "assistant"
            for block in message["content"]
            if block["type"] == "text"
        ]
        return "\n".join(said)[-_LAST_WORDS:]
