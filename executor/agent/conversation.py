"""A durable conversation: whatever was said and paid is on disk before anything follows from it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from executor.agent.budget import give_notice, refuse_when_spent
from executor.agent.history import belongs, kept
from executor.agent.live_reply import LiveReply
from executor.domain.conversation import Block, ModelReply, ModelRequest, StopReason
from executor.domain.events import NewEvent
from executor.domain.prices import cost_of
from executor.domain.step import StepContext
from executor.errors import ContextExceeded, ExecutorError, Permanent, Unavailable
from executor.store.turns import Message, answered, appended

if TYPE_CHECKING:
    from executor.agent.access import ModelAccess

log = structlog.get_logger(__name__)
T = TypeVar("T", bound=BaseModel)
_TRIES = 3
_TOO_LONG = "Your answer reached the limit of tokens and was cut. Send a whole one that is half as long."
_DISK_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Form:
    """What every request of one conversation has in common."""

    name: str
    model: str
    system: str
    max_tokens: int
    tools: tuple[Mapping[str, Any], ...] = ()
    effort: str = ""
    output: type[Any] | None = None


class Conversation:
    """One conversation of one build. Made by ModelAccess.open."""

    def __init__(
        self,
        context: StepContext,
        access: ModelAccess,
        form: Form,
        known: tuple[Message, ...],
    ) -> None:
        self._context = context
        self._access = access
        self._turns = access.turns
        self._form = form
        self._messages = list(known)

    @property
    def name(self) -> str:
        """The name under which the history is kept."""
        return self._form.name

    @property
    def is_empty(self) -> bool:
        """True before the first message."""
        return not self._messages

    @property
    def is_answered(self) -> bool:
        """True when the last message is the model's."""
        return bool(self._messages) and self._messages[-1].role == "assistant"

    @property
    def last(self) -> Message:
        """The newest message."""
        return self._messages[-1]

    @property
    def messages(self) -> tuple[Mapping[str, Any], ...]:
        """The history as a request carries it."""
        return tuple({"role": m.role, "content": list(m.content)} for m in self._messages)

    @property
    def _activity(self) -> str:
        return self.name.split("-")[0]

    @property
    def _speaks(self) -> bool:
        """False where replies are a form: nobody reads that, and hidden tests are for no watcher's eyes."""
        return self._form.output is None

    async def say(
        self, *parts: str | Block, facts: Mapping[str, Any] | None = None, event: NewEvent | None = None
    ) -> None:
        """Add one message; with `facts` or `event` it shares their checkpoint."""
        content = tuple(p if isinstance(p, Mapping) else {"type": "text", "text": p} for p in parts if p)
        build, now = self._context.build, self._context.now()
        position = len(self._messages)
        if facts is None and event is None:
            await self._turns.append(build.id, self.name, position, content, now)
        else:
            told = event or NewEvent("model_told", f"The model was told more ({self.name}).")
            row = appended(build.id, self.name, position, content, now)
            await self._context.record(told.event_type, told.message, facts, data=told.data, also=row)
        self._messages.append(Message("user", content))

    async def ask(self) -> ModelReply:
        """Get the next reply; it, its usage, its cost and the history are in one transaction.

        Raises Transient, ContextExceeded and Permanent as the service does, Permanent with code
        MODEL_REFUSED when the model declines, BudgetSpent before a call that a limit forbids.
        """
        await give_notice(self._context)
        build = self._context.build
        refuse_when_spent(build, self._access.limits)
        opened = await self._turns.begin(build.id, self.name, self._form.model, self._context.now())
        live = LiveReply(self._context, self._activity, speaks=self._speaks)
        try:
            reply = await self._access.service.reply(self._request(), live.heard)
        except ExecutorError as error:
            await self._turns.failed(build.id, opened.number, error.message, self._context.now())
            raise
        await self._keep(opened.number, opened.lost, reply)
        _raise_setback(reply)
        return reply

    async def parsed(self, output: type[T]) -> T:
        """The last reply as an instance of `output`, asked for if there is none yet.

        Asks again when the text does not validate. Raises as `ask` does, and Permanent when it never does.
        """
        for _ in range(_TRIES):
            if not self.is_answered:
                await self.ask()
            text = "\n".join(str(b["text"]) for b in self.last.content if b["type"] == "text")
            try:
                return output.model_validate_json(text)
            except ValidationError as error:
                if self.last.stop_reason == StopReason.MAX_TOKENS:
                    await self.say(_TOO_LONG)
                    continue
                problem = error.json(include_url=False, include_context=False, include_input=False)
                await self.say(
                    f"That is not what the form asks for. Send the whole answer again.\n{problem[:2000]}"
                )
        raise Permanent(
            f"The model did not answer in the form that was asked for ({self.name}), {_TRIES} times.",
            hint=f"`fpai retry {self._context.build.id}` asks again; perhaps set a stronger [model] model.",
            code="MODEL_ANSWER_UNUSABLE",
        )

    def _request(self) -> ModelRequest:
        form = self._form
        return ModelRequest(
            model=form.model,
            system=form.system,
            messages=self.messages,
            max_tokens=form.max_tokens,
            tools=form.tools,
            effort=form.effort,
            output=form.output,
        )

    async def _keep(self, number: int, lost: int, reply: ModelReply) -> None:
        """The reply is paid: it is held until the disk takes it, however long that is."""
        while True:
            try:
                await self._record(number, lost, reply)
                break
            except Unavailable as error:
                log.warning("reply_waits_for_disk", reason=error.message)
                await asyncio.sleep(_DISK_PAUSE_SECONDS)
        if belongs(reply):
            self._messages.append(Message("assistant", kept(reply), number, reply.stop_reason))

    async def _record(self, number: int, lost: int, reply: ModelReply) -> None:
        build, now = self._context.build, self._context.now()
        usd = cost_of(reply.usage, reply.model, self._access.prices)
        if usd is None:
            usd = cost_of(reply.usage, self._form.model, self._access.prices)
        position = len(self._messages)

        def also(connection: Any) -> None:
            answered(build.id, number, reply, usd, now)(connection)
            if belongs(reply):
                appended(build.id, self.name, position, kept(reply), now, role="assistant", turn=number)(
                    connection
                )

        facts = _spent(build.facts, reply, usd) | {"unknown_cost_turns": lost, "model": self._form.model}
        if not belongs(reply):
            facts["setback"] = {"conversation": self.name, "reason": reply.stop_reason}
        data = {
            "turn": number,
            "conversation": self.name,
            "model": reply.model,
            "tokens": reply.usage.total,
            "usd": usd,
            "stop_reason": reply.stop_reason,
            "calls": [call["name"] for call in reply.calls],
            "text": reply.text[:500] if self._speaks else "",
        }
        await self._context.record(
            "model_replied",
            _sentence(self._activity, number, reply, usd, speaks=self._speaks),
            facts,
            data=data,
            also=also,
            progressed=True,
        )


def _spent(facts: Mapping[str, Any], reply: ModelReply, usd: float | None) -> dict[str, Any]:
    """The build's sums with this reply added; a reply without a known price adds nothing to the dollars."""
    usage = reply.usage
    before = facts.get("spent") or {}
    added = {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cache_read": usage.cache_read_tokens,
        "cache_write": usage.cache_write_tokens,
    }
    spent = {name: before.get(name, 0) + number for name, number in added.items()}
    prompt = spent["input"] + spent["cache_read"] + spent["cache_write"]
    return {
        "spent": spent,
        "tokens": sum(spent.values()),
        "turns": facts.get("turns", 0) + 1,
        "cost_usd": facts.get("cost_usd", 0.0) + (usd or 0.0),
        "cost_known": bool(facts.get("cost_known", True)) and usd is not None,
        "prompt_tokens": usage.prompt_tokens,
        "cache_hit_rate": round(spent["cache_read"] / prompt, 4) if prompt else 0.0,
    }


def _sentence(name: str, number: int, reply: ModelReply, usd: float | None, *, speaks: bool) -> str:
    cost = "price unknown" if usd is None else f"${usd:.4f}"
    calls = ", ".join(str(call["name"]) for call in reply.calls)
    first = next(iter(reply.text.strip().splitlines()), "") if speaks else "the form is filled in"
    what = " ".join(part for part in (first[:160], f"[{calls}]" if calls else "") if part)
    return f"Turn {number} ({name}): {what or reply.stop_reason}; {reply.usage.total:,} tokens, {cost}."


def _raise_setback(reply: ModelReply) -> None:
    if reply.stop_reason is StopReason.CONTEXT_EXCEEDED:
        raise ContextExceeded("The conversation has grown beyond what the model can take in.")
    if reply.stop_reason is StopReason.REFUSAL:
        category = reply.stop_details.get("category") or "no category named"
        raise Permanent(
            f"The model declined to go on ({category}).",
            hint="Say the intent in other words, or choose another [model] model.",
            code="MODEL_REFUSED",
            details={"category": category},
        )
