"""One call of the model through the real adapter, and the error that it ends with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from executor.adapters.claude import Claude
from executor.domain.conversation import ModelRequest
from executor.errors import ExecutorError
from tests.fakes.model import ScriptedModel, call, script, text, thought

KEY = "sk-ant-api03-secret-of-the-house"
BASH = {"type": "bash_20250124", "name": "bash"}
STORY = [thought("What is there?"), text("I look."), call("bash", command="ls -la", restart=False)]


def silent(_: str, __: str) -> None:
    """Nobody listens."""


def request(*messages: dict[str, Any], **more: Any) -> ModelRequest:
    """A request as a build makes one: to go, unless other messages are given."""
    given = {"model": "claude-sonnet-5-5", "system": "You build.", "max_tokens": 2000, "tools": (BASH,)}
    said = messages or ({"role": "user", "content": [text("go")]},)
    return ModelRequest(messages=said, **{**given, **more})


@asynccontextmanager
async def claude(
    *answers: Any, timeout: float = 20.0, key: str = KEY, **more: Any
) -> AsyncIterator[tuple[Claude, ScriptedModel]]:
    """The adapter before a model that answers so, and that model."""
    async with ScriptedModel(script(*answers), **more) as model:
        service = Claude(api_key=key, base_url=model.url, timeout=timeout)
        yield service, model
        await service.aclose()


async def fails(*answers: Any, of: type[ExecutorError], **more: Any) -> Any:
    """The error that the first call ends with."""
    async with claude(*answers, **more) as (service, _):
        with pytest.raises(ExecutorError) as caught:
            await service.reply(request(), silent)
    assert type(caught.value) is of, caught.value
    return caught.value
