"""A whole reply out of a stream of events, or an error: never a part of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from executor.domain.conversation import ModelReply, StopReason, Usage
from executor.errors import Permanent

# Such a reply ends where it ends; the input of the call it was writing may be half a JSON.
_CUT_SHORT = frozenset({StopReason.MAX_TOKENS, StopReason.CONTEXT_EXCEEDED, StopReason.REFUSAL})
_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("tool", "partial_json"),
}


class Malformed(Exception):
    """What came is no reply of the Messages API, or only a part of one."""


class ReplyReader:
    """Takes the events of one stream (`take`), then gives the reply (`reply`).

    The SDK collects the blocks; this watches what it lets pass: a stream that ends before `message_stop`,
    and tool inputs that are half a JSON, which it reads leniently.
    """

    def __init__(self) -> None:
        self._inputs: dict[int, list[str]] = {}
        self.is_whole = False

    def take(self, event: Any) -> tuple[str, str] | None:
        """Note one event; the answer is what it adds for whoever listens: the kind and the words."""
        if event.type == "message_stop":
            self.is_whole = True
        if event.type == "content_block_start" and event.content_block.type == "tool_use":
            return "tool", str(event.content_block.name)
        if event.type == "content_block_delta":
            return self._take_delta(event.index, event.delta)
        return None

    def _take_delta(self, index: int, delta: Any) -> tuple[str, str] | None:
        kind, name = _DELTAS.get(delta.type, ("", ""))
        if not kind:
            return None
        added = str(getattr(delta, name))
        if kind == "tool":
            self._inputs.setdefault(index, []).append(added)
        return kind, added

    def reply(self, message: Any) -> ModelReply:
        """The reply that the events made. Raises Malformed, and Permanent for an unknown stop reason."""
        if message.stop_reason is None:
            raise Malformed("it ended without a stop reason")
        reason = _stop_reason(message.stop_reason)
        blocks = [self._block(index, block, reason) for index, block in enumerate(message.content)]
        details = message.stop_details
        return ModelReply(
            message_id=str(message.id),
            model=str(message.model),
            content=tuple(_storable(blocks)),
            stop_reason=reason,
            usage=_usage(message.usage),
            stop_details=details.to_dict(mode="json", warnings=False) if details is not None else {},
        )

    def _block(self, index: int, block: Any, reason: StopReason) -> dict[str, Any]:
        """The block as it is to be sent back: as it came, without the fields that were null."""
        plain = block.to_dict(mode="json", warnings=False)
        plain = {name: value for name, value in plain.items() if value is not None}
        if plain["type"] == "tool_use":
            plain["input"] = self._input(index, plain.get("input"), reason)
        return plain

    def _input(self, index: int, lenient: Any, reason: StopReason) -> Mapping[str, Any]:
        raw = "".join(self._inputs.get(index, ()))
        try:
            given = json.loads(raw) if raw else lenient
        except ValueError as error:
            if reason not in _CUT_SHORT:
                raise Malformed("a tool's input is not JSON") from error
            given = lenient if isinstance(lenient, dict) else {}
        if not isinstance(given, dict):
            raise Malformed("a tool's input is no JSON object")
        return given


def _stop_reason(word: str) -> StopReason:
    try:
        return StopReason(word)
    except ValueError:
        raise Permanent(
            f"The model ended its reply for a reason that the executor does not know: {word}.",
            hint="Perhaps a newer executor knows it; choosing another [model] model may avoid it.",
            code="MODEL_STOP_UNKNOWN",
        ) from None


def _usage(usage: Any) -> Usage:
    return Usage(
        input_tokens=usage.input_tokens or 0,
        output_tokens=usage.output_tokens or 0,
        cache_read_tokens=usage.cache_read_input_tokens or 0,
        cache_write_tokens=usage.cache_creation_input_tokens or 0,
    )


def _storable(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same, with what UTF-8 cannot write mended: halves of a surrogate pair are joined or replaced."""
    text = json.dumps(blocks, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        mended = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return [dict(block) for block in json.loads(mended)]
    return blocks
