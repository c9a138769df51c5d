"""Tool calls of one reply, each run at most once: started, run, finished with the workspace it left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from executor.agent.briefing import CUT_OFF, INTERRUPTED
from executor.agent.snapshots import Snapshots
from executor.agent.tool_forms import EDITOR
from executor.agent.tools import ToolResult, touches_nothing
from executor.domain.conversation import Block, StopReason
from executor.domain.outcome import Outcome
from executor.domain.step import StepContext
from executor.errors import Permanent
from executor.store.turns import Message, ToolCall, Turns, finished


class Toolbox(Protocol):
    """The tools that work on the workspace behind the walls."""

    async def run(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Run one; what the model did wrong is a result, not an error."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One tool_use block, and where it stands."""

    turn: int
    position: int
    block: Block

    @property
    def name(self) -> str:
        """The tool's name."""
        return str(self.block["name"])

    @property
    def input(self) -> Mapping[str, Any]:
        """Its arguments, as the model wrote them."""
        given = self.block["input"]
        return given if isinstance(given, Mapping) else {}


Own = Callable[[Call], Awaitable[ToolResult | Outcome | None]]
"""A tool of the executor's own. It finishes its call itself when it answers None or an outcome."""


class Calls:
    """Runs the calls of a reply in their order; calls that touch nothing run side by side."""

    def __init__(
        self, context: StepContext, turns: Turns, snapshots: Snapshots, tools: Toolbox, own: Mapping[str, Own]
    ) -> None:
        self._context = context
        self._turns = turns
        self._snapshots = snapshots
        self._tools = tools
        self._own = own

    async def run(self, message: Message) -> Outcome | None:
        """Run what has not been run; an outcome ends it early, and a later run goes on from there."""
        build_id, turn = self._context.build.id, message.turn or 0
        known = await self._turns.calls(build_id, turn)
        for group in _groups(_calls(message)):
            waiting = [call for call in group if (k := known.get(call.position)) is None or k.result is None]
            outcomes = await asyncio.gather(*(self._one(call, known, message) for call in waiting))
            for outcome in outcomes:
                if outcome is not None:
                    return outcome
        return None

    async def results(self, message: Message) -> list[Block]:
        """The tool_result blocks that answer a reply, once its calls have been run."""
        known = await self._turns.calls(self._context.build.id, message.turn or 0)
        return [_result(call, known[call.position]) for call in _calls(message)]

    async def finish(self, call: Call, result: ToolResult, snapshot: str | None = None) -> None:
        """Write a call's end in a commit of its own."""
        await self._turns.call_finished(self.finished(call, result, snapshot))

    def finished(
        self, call: Call, result: ToolResult, snapshot: str | None = None
    ) -> Callable[[Any], object]:
        """The row of a call's end, for a checkpoint to take along."""
        row = {"text": result.text, "is_error": result.is_error, "full_output": result.full_output}
        return finished(
            self._context.build.id,
            call.turn,
            call.position,
            result=row,
            snapshot=snapshot,
            now=self._context.now(),
        )

    async def _one(self, call: Call, known: Mapping[int, ToolCall], message: Message) -> Outcome | None:
        own = self._own.get(call.name)
        was_started = call.position in known
        if not was_started:
            await self._turns.call_started(
                self._context.build.id, call.turn, call.position, call.block, self._context.now()
            )
        if message.stop_reason == StopReason.MAX_TOKENS and call.position == len(message.content) - 1:
            await self.finish(call, ToolResult(CUT_OFF, is_error=True))
        elif own is not None:  # as an edit, which the restored workspace has undone, it can be run again
            answer = await own(call)
            if not isinstance(answer, ToolResult):
                return answer
            await self.finish(call, answer)
        elif was_started and call.name != EDITOR:
            await self.finish(call, ToolResult(INTERRUPTED, is_error=True))
        else:
            await self._run_tool(call)
        return None

    async def _run_tool(self, call: Call) -> None:
        where = str(call.input.get("path") or call.input.get("command") or "")
        self._context.progress(f"running {call.name}", tool=call.name, file=" ".join(where.split())[:120])
        result = await self._tools.run(call.name, call.input)
        snapshot = None
        if not touches_nothing(call.name, call.input):
            result, snapshot = await self._saved(result)
        self._context.log(f"{call.name} {where[:200]}\n{result.text[:2000]}", "debug")
        await self.finish(call, result, snapshot)

    async def _saved(self, result: ToolResult) -> tuple[ToolResult, str | None]:
        try:
            return result, await self._snapshots.save()
        except Permanent as error:
            text = f"{result.text}\n\n{unkept(error).text}"
            return ToolResult(text, True, result.full_output), None


def unkept(error: Permanent) -> ToolResult:
    """What the model is told of a workspace that git must not hold."""
    return ToolResult(f"The workspace cannot be kept like this: {error} Mend it with your next call.", True)


def _calls(message: Message) -> list[Call]:
    return [
        Call(message.turn or 0, position, block)
        for position, block in enumerate(message.content)
        if block["type"] == "tool_use"
    ]


def _groups(calls: Sequence[Call]) -> Iterator[list[Call]]:
    """Neighbours that touch nothing go together, everything else alone."""
    group: list[Call] = []
    for call in calls:
        if touches_nothing(call.name, call.input):
            group.append(call)
            continue
        if group:
            yield group
        group = []
        yield [call]
    if group:
        yield group


def _result(call: Call, done: ToolCall) -> Block:
    result: dict[str, Any] = {
        "type": "tool_result",
        "tool_use_id": call.block["id"],
        "content": done.result or "(no output)",
    }
    return {**result, "is_error": True} if done.is_error else result
