"""What the Messages API refuses with 400: a history broken by a resume shows here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Body = Mapping[str, Any]
LARGEST_REPLY = 128_000
_TOP = {
    "model", "messages", "max_tokens", "system", "tools", "tool_choice", "stream", "thinking",
    "output_config", "cache_control", "metadata", "stop_sequences", "service_tier", "diagnostics",
}  # fmt: skip
_BLOCK_KEYS = {
    "text": {"text", "cache_control", "citations"},
    "thinking": {"thinking", "signature"},
    "redacted_thinking": {"data"},
    "tool_use": {"id", "name", "input", "cache_control", "caller", "toolset_name"},
    "tool_result": {"tool_use_id", "content", "is_error", "cache_control", "toolset_name"},
    "image": {"source", "cache_control"},
    "document": {"source", "title", "context", "citations", "cache_control"},
}
_ROLE_OF = {
    "thinking": "assistant",
    "redacted_thinking": "assistant",
    "tool_use": "assistant",
    "tool_result": "user",
}
_KNOWN_TOOLS = {"bash_20250124": "bash", "text_editor_20250728": "str_replace_based_edit_tool"}
_TOOL_KEYS = {"type", "name", "description", "input_schema", "strict", "cache_control", "input_examples"}
_UNSUPPORTED = {"minimum", "maximum", "multipleOf", "minLength", "maxLength", "maxItems", "uniqueItems"}
_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
_EFFORTS = {"low", "medium", "high", "xhigh", "max"}


class Refused(Exception):
    """The request is not what the service takes; the text is its own."""


def refuse(condition: object, text: str) -> None:
    """Raise Refused when the condition holds."""
    if condition:
        raise Refused(text)


def blocks(content: Any) -> list[Any]:
    """Content as blocks; a plain text is one."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def check_form(body: Body) -> None:
    """Raise Refused for what the current models do not take."""
    _check_top(body)
    _check_thinking(body)
    _check_output(body)
    _check_tools(body.get("tools") or [])
    _check_messages(body["messages"])
    _check_cache_marks(body)


def _check_top(body: Body) -> None:
    for key in ("model", "messages", "max_tokens"):
        refuse(key not in body, f"{key}: Field required")
    for key in ("temperature", "top_p", "top_k"):
        refuse(key in body, f"{key}: not supported by this model")
    for key in body:
        refuse(key not in _TOP, f"{key}: Extra inputs are not permitted")
    largest = body["max_tokens"]
    refuse(
        not isinstance(largest, int) or largest < 1, "max_tokens: Input should be greater than or equal to 1"
    )
    refuse(
        largest > LARGEST_REPLY,
        f"max_tokens: {largest} > {LARGEST_REPLY}, which is the maximum allowed number of output tokens",
    )
    for i, block in enumerate(blocks(body.get("system") or [])):
        _check_block(block, f"system.{i}", "system")


def _check_thinking(body: Body) -> None:
    thinking = body.get("thinking") or {"type": "adaptive"}
    refuse(
        "budget_tokens" in thinking or thinking.get("type") != "adaptive",
        "thinking: only the type adaptive, without budget_tokens, is supported by this model",
    )
    refuse(
        thinking.get("display") not in (None, "summarized", "omitted"), "thinking.display: unexpected value"
    )
    choice = (body.get("tool_choice") or {}).get("type")
    refuse(choice in ("any", "tool"), "tool_choice: forcing a tool is not supported by this model")


def _check_output(body: Body) -> None:
    config = body.get("output_config") or {}
    refuse(set(config) - {"effort", "format"}, "output_config: Extra inputs are not permitted")
    effort = config.get("effort")
    refuse(effort is not None and effort not in _EFFORTS, "output_config.effort: unexpected value")
    if form := config.get("format"):
        refuse(form.get("type") != "json_schema", "output_config.format.type: Input should be 'json_schema'")
        refuse("schema" not in form, "output_config.format.schema: Field required")
        check_schema(form["schema"], "output_config.format.schema")


def check_schema(schema: Any, where: str) -> None:
    """Raise Refused for what a schema that an answer is held to must not have."""
    for found in _schemas(schema):
        if found.get("type") == "object":
            closed = found.get("additionalProperties") is False
            text = f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false"
            refuse(not closed, text)
        bad = sorted(_UNSUPPORTED & set(found))
        refuse(
            bad and "type" in found,
            f"{where}: For '{found.get('type')}' type, property {bad} is not supported",
        )


def _schemas(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _schemas(item)
    elif isinstance(value, dict):
        yield value
        for key, item in value.items():
            if key in ("properties", "$defs"):
                yield from _schemas(list(item.values()))
            elif key in ("items", "anyOf", "allOf"):
                yield from _schemas(item)


def _check_tools(tools: Sequence[Body]) -> None:
    names = [tool.get("name") for tool in tools]
    refuse(len(set(names)) != len(names), "tools: Tool names must be unique.")
    for i, tool in enumerate(tools):
        name, kind = tool.get("name"), tool.get("type") or "custom"
        where = f"tools.{i}.{kind}"
        if kind != "custom":
            refuse(_KNOWN_TOOLS.get(kind) != name, f"{where}: unknown type, or not its name ({name!r})")
            continue
        refuse(not _NAME.match(str(name)), f"{where}.name: String should match pattern '{_NAME.pattern}'")
        refuse(set(tool) - _TOOL_KEYS, f"{where}: Extra inputs are not permitted")
        schema = tool.get("input_schema") or {}
        refuse(schema.get("type") != "object", f"{where}.input_schema.type: Field required")
        if tool.get("strict"):
            check_schema(schema, f"{where}.input_schema")


def _check_messages(messages: Sequence[Body]) -> None:
    refuse(not messages, "messages: at least one message is required")
    refuse(messages[0]["role"] != "user", 'messages: first message must use the "user" role')
    refuse(
        messages[-1]["role"] == "assistant",
        "messages: prefilling the assistant's reply is not supported by this model",
    )
    seen: set[str] = set()
    pending: list[str] = []
    for i, message in enumerate(messages):
        where = f"messages.{i}"
        refuse(set(message) - {"role", "content"}, f"{where}: Extra inputs are not permitted")
        refuse(message["role"] not in ("user", "assistant"), f"{where}.role: unexpected {message['role']!r}")
        parts = blocks(message["content"])
        refuse(not parts, f"{where}: all messages must have non-empty content")
        for k, part in enumerate(parts):
            _check_block(part, f"{where}.content.{k}", message["role"])
        refuse(
            message["role"] == "assistant" and parts[-1]["type"] in ("thinking", "redacted_thinking"),
            f"{where}: The final block in an assistant message cannot be `thinking`.",
        )
        _check_results(parts, pending, where)
        pending = [part["id"] for part in parts if part["type"] == "tool_use"]
        refuse(
            len(set(pending)) < len(pending) or seen & set(pending), f"{where}: `tool_use` ids must be unique"
        )
        seen |= set(pending)


def _check_results(parts: Sequence[Body], pending: Sequence[str], where: str) -> None:
    results = [part["tool_use_id"] for part in parts if part["type"] == "tool_result"]
    missing = [name for name in pending if name not in results]
    refuse(
        missing,
        f"{where}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(missing)}. Each `tool_use` block must have its `tool_result` in the next message.",
    )
    extra = [name for name in results if name not in pending]
    refuse(extra, f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {', '.join(extra)}")
    refuse(len(set(results)) < len(results), f"{where}: each tool_use must have a single result")
    first = [part["type"] for part in parts[: len(results)]]
    refuse(set(first) - {"tool_result"}, f"{where}: tool_result blocks must come first in the user message")


def _check_block(block: Any, where: str, role: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    refuse(kind not in _BLOCK_KEYS, f"{where}: unknown block type {kind!r}")
    refuse(_ROLE_OF.get(str(kind), role) != role, f"{where}: {kind} does not belong to the role {role}")
    where = f"{where}.{kind}"
    for key in block:
        refuse(key not in _BLOCK_KEYS[kind] | {"type"}, f"{where}.{key}: Extra inputs are not permitted")
    if kind == "text":
        _check_text(block, where)
    elif kind == "tool_use":
        refuse(
            not _NAME.match(block.get("id", "")), f"{where}.id: String should match pattern '{_NAME.pattern}'"
        )
        refuse(not _NAME.match(block.get("name", "")), f"{where}.name: String should match pattern")
        refuse(not isinstance(block.get("input"), dict), f"{where}.input: Input should be a valid dictionary")
        refuse(block.get("caller", {}) is None, f"{where}.caller: Input should be a valid dictionary")
    elif kind == "tool_result":
        _check_result(block, where)
    elif kind == "thinking":
        refuse(not isinstance(block.get("thinking"), str), f"{where}.thinking: Field required")
        refuse(not isinstance(block.get("signature"), str), f"{where}.signature: Field required")


def _check_text(block: Body, where: str) -> None:
    refuse(not isinstance(block.get("text"), str), f"{where}.text: Field required")
    refuse(not block["text"].strip(), f"{where}: text content blocks must contain non-whitespace text")


def _check_result(block: Body, where: str) -> None:
    refuse(not isinstance(block.get("tool_use_id"), str), f"{where}.tool_use_id: Field required")
    refuse(
        not isinstance(block.get("is_error", False), bool),
        f"{where}.is_error: Input should be a valid boolean",
    )
    content = block.get("content", "")
    refuse(content is None, f"{where}.content: Input should be a valid list")
    if not isinstance(content, str):
        for i, part in enumerate(content):
            refuse(
                part.get("type") not in ("text", "image", "document"), f"{where}.content.{i}: unknown type"
            )
            _check_block(part, f"{where}.content.{i}", "user")


def _check_cache_marks(body: Body) -> None:
    said = [block for message in body["messages"] for block in blocks(message["content"])]
    everything = [*(body.get("tools") or []), *blocks(body.get("system") or []), *said]
    marks = [block["cache_control"] for block in everything if block.get("cache_control")]
    if body.get("cache_control") and not (said and said[-1].get("cache_control")):
        marks.append(body["cache_control"])
    for mark in marks:
        refuse(
            mark.get("type") != "ephemeral" or mark.get("ttl") not in (None, "5m", "1h"),
            "cache_control: unexpected",
        )
    refuse(len(marks) > 4, f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}.")
