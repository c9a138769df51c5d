"""A model service without a network: it answers in order, and fails where a script says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from executor.domain.conversation import Heard, ModelReply, ModelRequest, StopReason, Usage

Answer = str | Mapping[str, Any] | ModelReply | Exception


class ScriptedService:
    """`requests` holds what was asked. A mapping is answered as JSON text; an exception is raised instead."""

    def __init__(self, *answers: Answer, usage: Usage | None = None) -> None:
        self.answers = list(answers)
        self.requests: list[ModelRequest] = []
        self.usage = usage or Usage(input_tokens=1000, output_tokens=500)

    async def reply(self, request: ModelRequest, heard: Heard) -> ModelReply:
        await asyncio.sleep(0)
        self.requests.append(request)
        if not self.answers:
            raise AssertionError(f"request {len(self.requests)} is one more than was scripted")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, ModelReply):
            return answer
        text = answer if isinstance(answer, str) else json.dumps(answer)
        heard("text", text)
        return ModelReply(
            f"msg_{len(self.requests)}",
            request.model,
            ({"type": "text", "text": text},),
            StopReason.END_TURN,
            self.usage,
        )

    def told(self, request: int = -1) -> str:
        """The text of the last message of a request."""
        return "\n".join(block["text"] for block in self.requests[request].messages[-1]["content"])
