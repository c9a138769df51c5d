"""What of a reply goes into the history: all of it but the few blocks that the API would not take back."""

from __future__ import annotations

from executor.domain.conversation import Block, ModelReply, StopReason

WORDLESS = "(no words)"
"""Stands where the model wrote nothing that could be sent back."""
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
# Such a reply is paid, but it is no part of the history: it would be refused again.
_NOT_KEPT = frozenset({StopReason.REFUSAL, StopReason.CONTEXT_EXCEEDED})


def belongs(reply: ModelReply) -> bool:
    """True for a reply that the conversation goes on from."""
    return reply.stop_reason not in _NOT_KEPT


def kept(reply: ModelReply) -> tuple[Block, ...]:
    """The blocks to store and to send back with every later request.

    The API gives and refuses (400): text that is blank, thoughts that the token limit cut before they were
    signed, a message without content, and one that ends with a thought.
    """
    blocks = [b for b in reply.content if b["type"] != "text" or str(b["text"]).strip()]
    if reply.stop_reason == StopReason.MAX_TOKENS and blocks and _is_unsigned(blocks[-1]):
        blocks.pop()
    if not blocks or blocks[-1]["type"] in _THOUGHTS:
        blocks.append({"type": "text", "text": WORDLESS})
    return tuple(blocks)


def _is_unsigned(block: Block) -> bool:
    return block["type"] == "thinking" and not block.get("signature")
