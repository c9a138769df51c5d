"""A ModelRequest as the Messages API wants it, with what the current models refuse left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from executor.domain.conversation import ModelRequest

MARK = {"type": "ephemeral"}
SchemaOf = Callable[[type[Any]], Mapping[str, Any]]


def arguments(request: ModelRequest, schema_of: SchemaOf) -> dict[str, Any]:
    """The keyword arguments of `client.messages.stream`.

    Thinking is summarised, else the live view is silent between two tool calls. The last block is marked for
    the cache by the top-level mark; the system's own mark keeps tools and system cached when messages change.
    """
    given: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": list(request.messages),
        "thinking": {"type": "adaptive", "display": "summarized"},
        "cache_control": MARK,
    }
    if request.system.strip():
        given["system"] = [{"type": "text", "text": request.system, "cache_control": MARK}]
    if request.tools:
        given["tools"] = list(request.tools)
    if config := _output_config(request, schema_of):
        given["output_config"] = config
    return given


def _output_config(request: ModelRequest, schema_of: SchemaOf) -> dict[str, Any]:
    """The same bytes as `output_format=` sends.

    That argument would also validate the text while it streams, and a reply that was paid for and does not
    validate, a cut one for example, would be lost with the error. Whoever asked validates (Conversation).
    """
    config: dict[str, Any] = {"effort": request.effort} if request.effort else {}
    if request.output is not None:
        config["format"] = {"type": "json_schema", "schema": schema_of(request.output)}
    return config
