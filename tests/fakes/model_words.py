"""From what a rule answers to a message of the API, and from the message to the events of its stream."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.fakes.model_cache import tokens
from tests.fakes.model_form import blocks

Answer = str | Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""A text; blocks; a message (`content`, perhaps `stop_reason`, `stop_details`, `usage`, `model`); or, where
the request asks for JSON, the object itself."""
Event = tuple[str, dict[str, Any]]
_PIECE = 400


def text(words: str) -> dict[str, Any]:
    """A text block."""
    return {"type": "text", "text": words}


def thought(words: str) -> dict[str, Any]:
    """A thinking block; the service signs it."""
    return {"type": "thinking", "thinking": words}


def call(name: str, /, **given: Any) -> dict[str, Any]:
    """A tool_use block; the service names it."""
    return {"type": "tool_use", "name": name, "input": given}


def script(*answers: Answer) -> Callable[[dict[str, Any], int], Answer]:
    """A rule that gives these answers in order; a request that is sent again gets its answer again."""
    given: dict[str, Answer] = {}

    def rule(body: dict[str, Any], number: int) -> Answer:
        key = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        if key not in given:
            if len(given) == len(answers):
                raise AssertionError(f"request {number} is one more than the {len(answers)} scripted answers")
            given[key] = answers[len(given)]
        return given[key]

    return rule


def signature_of(thinking: str) -> str:
    """The signature that the service gives a thinking block, and asks for when it comes back."""
    return base64.b64encode(hashlib.sha256(b"signed " + thinking.encode()).digest()).decode()


def as_message(answer: Answer, body: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The whole message, but for the input figures of its usage."""
    given = _as_mapping(answer, body)
    name = f"{number:04d}_{hashlib.sha256(json.dumps(body).encode()).hexdigest()[:12]}"
    content = [
        _finished(copy.deepcopy(dict(block)), body, f"{name}_{k}")
        for k, block in enumerate(blocks(given["content"]))
        if block["type"] != "thinking" or body.get("thinking")
    ]
    calls = any(block["type"] == "tool_use" for block in content)
    return {
        "id": f"msg_{name}",
        "type": "message",
        "role": "assistant",
        "model": given.get("model", body["model"]),
        "content": content,
        "stop_reason": given.get("stop_reason") or ("tool_use" if calls else "end_turn"),
        "stop_sequence": None,
        "stop_details": given.get("stop_details"),
        "usage": {"output_tokens": tokens(content), **given.get("usage", {})},
    }


def _as_mapping(answer: Answer, body: Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(answer, str):
        return {"content": [text(answer)]}
    if not isinstance(answer, Mapping):
        return {"content": list(answer)}
    if "content" not in answer and (body.get("output_config") or {}).get("format"):
        return {"content": [text(json.dumps(answer))]}
    return answer


def _finished(block: dict[str, Any], body: Mapping[str, Any], name: str) -> dict[str, Any]:
    if block["type"] == "tool_use":
        block.setdefault("id", f"toolu_{name}")
        block.setdefault("caller", {"type": "direct"})
    if block["type"] == "thinking":
        if body["thinking"].get("display") != "summarized":
            block["thinking"] = ""
        block.setdefault("signature", signature_of(block["thinking"]))
    return block


def events_of(message: Mapping[str, Any], *, cut_tool_json: bool = False) -> Iterator[Event]:
    """The stream's events, in order."""
    usage = {**message["usage"], "output_tokens": 1}
    start = {**message, "content": [], "stop_reason": None, "stop_details": None, "usage": usage}
    yield "message_start", {"message": start}
    yield "ping", {}
    for index, block in enumerate(message["content"]):
        yield from _block_events(index, block, cut_tool_json)
    ending = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    yield "message_delta", {"delta": ending, "usage": {"output_tokens": message["usage"]["output_tokens"]}}
    yield "message_stop", {}


def _block_events(index: int, block: Mapping[str, Any], cut: bool) -> Iterator[Event]:
    empty, deltas = _opened(block, cut)
    yield "content_block_start", {"index": index, "content_block": empty}
    for delta in deltas:
        yield "content_block_delta", {"index": index, "delta": delta}
    yield "content_block_stop", {"index": index}


def _opened(block: Mapping[str, Any], cut: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The block as it starts, and what follows piece by piece."""
    if block["type"] == "text":
        return {"type": "text", "text": ""}, _pieces("text_delta", "text", block["text"])
    if block["type"] == "thinking":
        signed = {"type": "signature_delta", "signature": block["signature"]}
        pieces = _pieces("thinking_delta", "thinking", block["thinking"])
        return {"type": "thinking", "thinking": "", "signature": ""}, [*pieces, signed]
    if block["type"] == "tool_use":
        raw = json.dumps(block["input"]) if block["input"] else ""
        pieces = _pieces("input_json_delta", "partial_json", raw[: len(raw) // 2] if cut else raw)
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": ""}, *pieces]
    return dict(block), []


def _pieces(kind: str, key: str, whole: str) -> list[dict[str, Any]]:
    return [{"type": kind, key: whole[at : at + _PIECE]} for at in range(0, len(whole), _PIECE)]


def encoded(event: Event) -> bytes:
    """An event as server-sent."""
    name, data = event
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()
