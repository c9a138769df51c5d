"""What passes between the executor and a model: one request, one reply, and what the reply cost in tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

Block = Mapping[str, Any]
"""A content block as the Messages API writes it."""

Heard = Callable[[str, str], None]
"""Told of a reply while it is being written: the kind (`thinking`, `text` or `tool`) and what was added."""


class StopReason(StrEnum):
    """Why a reply ended. Every one has its own way on (agent/conversation.py)."""

    END_TURN = "end_turn"
    MAX_TOKENS = "max_tokens"
    STOP_SEQUENCE = "stop_sequence"
    TOOL_USE = "tool_use"
    PAUSE_TURN = "pause_turn"
    REFUSAL = "refusal"
    CONTEXT_EXCEEDED = "model_context_window_exceeded"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one reply. `input_tokens` are those that neither came from the cache nor went into it."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def prompt_tokens(self) -> int:
        """Everything that was sent."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def total(self) -> int:
        """Everything that was sent and written."""
        return self.prompt_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call of the Messages API. `max_tokens` bounds the reply.

    `output` is a pydantic model that the reply's text must be an instance of, None for free text;
    `effort` is low, medium, high, xhigh or max, empty for the model's own.
    """

    model: str
    system: str
    messages: tuple[Mapping[str, Any], ...]
    max_tokens: int
    tools: tuple[Mapping[str, Any], ...] = ()
    effort: str = ""
    output: type[Any] | None = None


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A whole reply; `content` is kept verbatim, thinking blocks and signatures with it."""

    message_id: str
    model: str
    content: tuple[Block, ...]
    stop_reason: StopReason
    usage: Usage
    stop_details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text blocks, joined."""
        return "\n".join(str(block["text"]) for block in self.content if block["type"] == "text")

    @property
    def calls(self) -> tuple[Block, ...]:
        """The tool_use blocks, in order."""
        return tuple(block for block in self.content if block["type"] == "tool_use")


class ModelService(Protocol):
    """A model behind the Messages API. One attempt for each call: only the runner waits and tries again."""

    async def reply(self, request: ModelRequest, heard: Heard) -> ModelReply:
        """Return the whole reply; `heard` is called while it streams.

        Raises Transient for everything that may pass (429, 5xx, 529, overload inside an open stream, a
        stream that was cut, no answer in time), ContextExceeded when the conversation does not fit the
        model's window, Permanent for a refused key or request and for a retired or unknown model.
        """
        ...

    async def aclose(self) -> None:
        """End the connections that are kept open."""
        ...
