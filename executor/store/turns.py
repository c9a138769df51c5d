"""Conversations with a model as rows: written so that a kill at any moment loses no reply that was paid."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from executor.domain.conversation import Block, ModelReply
from executor.domain.step import Also
from executor.store.database import Database

_CUT_OFF = "The executor stopped before the answer was complete."


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. `turn` and `stop_reason` are set where the model wrote it."""

    role: str
    content: tuple[Block, ...]
    turn: int | None = None
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call of a turn; without `result` it was started and never finished."""

    position: int
    name: str
    result: str | None
    is_error: bool
    snapshot: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A turn that is about to be asked. `lost` counts the build's calls that a kill cut off until now."""

    number: int
    lost: int


class Turns:
    """The tables turns, messages and tool_calls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def messages(self, build_id: str, conversation: str) -> tuple[Message, ...]:
        """The history of one conversation, in order."""
        rows = await self._database.fetch(
            "SELECT m.role, m.content, m.turn, t.stop_reason FROM messages m LEFT JOIN turns t"
            " ON t.build_id = m.build_id AND t.number = m.turn"
            " WHERE m.build_id = ? AND m.conversation = ? ORDER BY m.position",
            (build_id, conversation),
        )
        return tuple(
            Message(r["role"], tuple(json.loads(r["content"])), r["turn"], r["stop_reason"]) for r in rows
        )

    async def calls(self, build_id: str, turn: int) -> dict[int, ToolCall]:
        """The tool calls of a turn that were started, by their position in the reply."""
        rows = await self._database.fetch(
            "SELECT position, name, result, is_error, snapshot FROM tool_calls"
            " WHERE build_id = ? AND turn = ?",
            (build_id, turn),
        )
        return {
            r["position"]: ToolCall(r["position"], r["name"], r["result"], bool(r["is_error"]), r["snapshot"])
            for r in rows
        }

    async def newest(self, build_id: str) -> int:
        """The number of the build's last turn, also of one that brought no reply; 0 before the first."""
        rows = await self._database.fetch(
            "SELECT coalesce(max(number), 0) AS number FROM turns WHERE build_id = ?", (build_id,)
        )
        return int(rows[0]["number"])

    async def last_snapshot(self, build_id: str, since_turn: int) -> str | None:
        """The commit that holds the workspace as the newest finished tool call after a turn left it."""
        rows = await self._database.fetch(
            "SELECT snapshot FROM tool_calls WHERE build_id = ? AND turn > ? AND snapshot IS NOT NULL"
            " ORDER BY turn DESC, position DESC LIMIT 1",
            (build_id, since_turn),
        )
        return str(rows[0]["snapshot"]) if rows else None

    async def append(
        self, build_id: str, conversation: str, position: int, content: Sequence[Block], now: float
    ) -> None:
        """Add a message of the executor's to a conversation."""
        await self._database.write(appended(build_id, conversation, position, content, now))

    async def begin(self, build_id: str, conversation: str, model: str, now: float) -> Opened:
        """Note that a call is about to be made; one that was noted and never ended counts as lost."""

        def write(connection: sqlite3.Connection) -> Opened:
            connection.execute(
                "UPDATE turns SET state = 'lost', ended_at = ?, error = ?"
                " WHERE build_id = ? AND state = 'asked'",
                (now, _CUT_OFF, build_id),
            )
            counted = connection.execute(
                "SELECT coalesce(max(number), 0) + 1, coalesce(sum(state = 'lost'), 0) FROM turns"
                " WHERE build_id = ?",
                (build_id,),
            ).fetchone()
            connection.execute(
                "INSERT INTO turns (build_id, number, conversation, model, state, asked_at)"
                " VALUES (?, ?, ?, ?, 'asked', ?)",
                (build_id, counted[0], conversation, model, now),
            )
            return Opened(counted[0], counted[1])

        return await self._database.write(write)

    async def failed(self, build_id: str, number: int, error: str, now: float) -> None:
        """Note that a call brought no reply."""
        await self._database.write(
            lambda c: (
                c.execute(
                    "UPDATE turns SET state = 'failed', ended_at = ?, error = ?"
                    " WHERE build_id = ? AND number = ?",
                    (now, error, build_id, number),
                )
                and None
            )
        )

    async def call_started(self, build_id: str, turn: int, position: int, call: Block, now: float) -> None:
        """Note that a tool is about to run."""
        values = (build_id, turn, position, call["id"], call["name"], _json(call["input"]), now)
        await self._database.write(
            lambda c: (
                c.execute(
                    "INSERT INTO tool_calls (build_id, turn, position, call_id, name, input, state,"
                    " started_at) VALUES (?, ?, ?, ?, ?, ?, 'started', ?) ON CONFLICT DO NOTHING",
                    values,
                )
                and None
            )
        )

    async def call_finished(self, finished: Also) -> None:
        """Write what `finished` made, outside of any checkpoint."""
        await self._database.write(lambda c: finished(c) and None)


def appended(
    build_id: str,
    conversation: str,
    position: int,
    content: Sequence[Block],
    now: float,
    *,
    role: str = "user",
    turn: int | None = None,
) -> Also:
    """The row of one message, for whichever transaction it belongs to."""
    values = (build_id, conversation, position, role, _json(content), turn, now)
    return lambda c: (
        c.execute(
            "INSERT INTO messages (build_id, conversation, position, role, content, turn, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        and None
    )


def answered(build_id: str, number: int, reply: ModelReply, usd: float | None, now: float) -> Also:
    """The end of a turn: what came back and what it cost."""
    usage = reply.usage
    values = (
        now, reply.message_id, reply.stop_reason, usage.input_tokens, usage.output_tokens,
        usage.cache_read_tokens, usage.cache_write_tokens, usd, build_id, number,
    )  # fmt: skip
    return lambda c: c.execute(
        "UPDATE turns SET state = 'answered', ended_at = ?, message_id = ?, stop_reason = ?,"
        " input_tokens = ?, output_tokens = ?, cache_read_tokens = ?, cache_write_tokens = ?, usd = ?"
        " WHERE build_id = ? AND number = ?",
        values,
    )


def finished(
    build_id: str,
    turn: int,
    position: int,
    *,
    result: Mapping[str, Any],
    snapshot: str | None,
    now: float,
) -> Also:
    """The end of a tool call; `result` has `text`, `is_error` and `full_output`."""
    values = (
        now, result["text"], int(result.get("is_error", False)), result.get("full_output") or None, snapshot,
        build_id, turn, position,
    )  # fmt: skip
    return lambda c: c.execute(
        "UPDATE tool_calls SET state = 'finished', finished_at = ?, result = ?, is_error = ?,"
        " full_output = ?, snapshot = ? WHERE build_id = ? AND turn = ? AND position = ?",
        values,
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=dict)
