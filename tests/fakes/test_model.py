"""The scripted model is as strict as the service it stands for, and answers as it does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import pytest

from tests.fakes.model import Fault, ScriptedModel, call, script, text, thought

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")
TOOLS = [{"type": "bash_20250124", "name": "bash"}]
THINK = {"type": "adaptive", "display": "summarized"}
Ask = Callable[..., Any]


@asynccontextmanager
async def service(*answers: Any, **more: Any) -> AsyncIterator[tuple[ScriptedModel, Ask]]:
    async with (
        ScriptedModel(script(*answers), **more) as model,
        anthropic.AsyncAnthropic(base_url=model.url, api_key="k", max_retries=0) as client,
    ):

        async def ask(*messages: dict[str, Any], **changed: Any) -> Any:
            given = {
                "model": "m",
                "max_tokens": 1000,
                "thinking": THINK,
                "tools": TOOLS,
                "extra_body": changed,
            }
            async with client.messages.stream(messages=list(messages), **given) as stream:
                return await stream.get_final_message()

        yield model, ask


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def assistant(*parts: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(parts)}


def result(name: str, words: str = "done") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": name, "content": words}


def used(name: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": name, "name": "bash", "input": {}}


async def test_a_reply_streams_and_its_calls_are_answered_in_the_next_message() -> None:
    async with service([thought("hm"), text("look"), call("bash", command="ls")], "fine") as (model, ask):
        first = await ask(user(text("go")))
        said = [block.to_dict() for block in first.content]
        last = await ask(user(text("go")), assistant(*said), user(result(said[2]["id"])))
    assert [block["type"] for block in said] == ["thinking", "text", "tool_use"]
    assert said[2]["input"] == {"command": "ls"}
    assert first.stop_reason == "tool_use"
    assert (last.stop_reason, last.content[0].text) == ("end_turn", "fine")
    assert model.refused == []


@pytest.mark.parametrize(
    ("messages", "changed", "words"),
    [
        ([], {}, "at least one message"),
        ([assistant(text("x")), user(text("x"))], {}, "first message"),
        ([user(text("x")), assistant(text("x"))], {}, "prefilling"),
        ([user(text("  "))], {}, "non-whitespace"),
        ([user()], {}, "non-empty content"),
        ([user({"type": "text", "text": "x", "parsed_output": None})], {}, "Extra inputs"),
        ([user(text("x")), assistant(used("a")), user(text("x"))], {}, "without `tool_result`"),
        ([user(text("x")), assistant(used("a")), user(text("x"), result("a"))], {}, "must come first"),
        ([user(text("x")), assistant(used("a")), user(result("a"), result("b"))], {}, "unexpected"),
        ([user(text("x")), assistant(used("a"), used("a")), user(result("a"))], {}, "must be unique"),
        ([user(text("x")), assistant(used("a b")), user(result("a b"))], {}, "should match pattern"),
        ([user(text("x")), assistant(text("x")), user(result("a"))], {}, "unexpected `tool_use_id`"),
        ([user(used("a"))], {}, "does not belong"),
        ([user(text("x"))], {"temperature": 1}, "temperature"),
        ([user(text("x"))], {"surprise": 1}, "surprise: Extra inputs"),
        ([user(text("x"))], {"thinking": {"type": "enabled", "budget_tokens": 5}}, "budget_tokens"),
        ([user(text("x"))], {"tool_choice": {"type": "any"}}, "forcing a tool"),
        ([user(text("x"))], {"max_tokens": 500_000}, "maximum allowed number of output tokens"),
        ([user(text("x"))], {"tools": [*TOOLS, *TOOLS]}, "unique"),
        ([user(text("x"))], {"tools": [{"name": "a b", "input_schema": {"type": "object"}}]}, "pattern"),
        ([user(text("x"))], {"tools": [{"type": "bash_20250124", "name": "shell"}]}, "not its name"),
        (
            [user(text("x"))],
            {"tools": [{"name": "a", "strict": True, "input_schema": {"type": "object"}}]},
            "additionalProperties",
        ),
        (
            [user(text("x"))],
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            "additionalProperties",
        ),
        ([user(text("x"))], {"output_config": {"effort": "huge"}}, "effort"),
        (
            [user(*[{**text("x"), "cache_control": {"type": "ephemeral"}}] * 5)],
            {},
            "maximum of 4 blocks with cache_control",
        ),
    ],
)  # fmt: skip
async def test_what_the_service_refuses_is_refused(
    messages: list[Any], changed: dict[str, Any], words: str
) -> None:
    async with service("never") as (model, ask):
        with pytest.raises(anthropic.BadRequestError, match=words):
            await ask(*messages, **changed)
    assert [words in refusal for refusal in model.refused] == [True]


@pytest.mark.parametrize("change", ["altered", "dropped"])
async def test_thinking_must_come_back_as_it_was_while_its_calls_stay(change: str) -> None:
    async with service([thought("hm"), call("bash", command="ls")], "never") as (_, ask):
        first = await ask(user(text("go")))
        thinking, calling = (block.to_dict() for block in first.content)
        kept = [calling] if change == "dropped" else [{**thinking, "thinking": "other"}, calling]
        with pytest.raises(anthropic.BadRequestError, match="thinking"):
            await ask(user(text("go")), assistant(*kept), user(result(calling["id"])))


async def test_a_prefix_that_was_sent_and_marked_is_read_from_the_cache() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    async with service("one", "two", "three") as (_, ask):
        said = [user(text("a long story " * 50))]
        first = (await ask(*said, **mark)).usage
        said += [assistant(text("one")), user(text("and then?"))]
        second = (await ask(*said, **mark)).usage
        other = (await ask(user(text("another story")), **mark)).usage
    assert first.cache_read_input_tokens == 0
    assert first.cache_creation_input_tokens > 100
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert 0 < second.cache_creation_input_tokens < 50
    assert other.cache_read_input_tokens == 0


async def test_a_prompt_beyond_the_window_is_too_long() -> None:
    async with service("never", window=100) as (_, ask):
        with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
            await ask(user(text("word " * 200)))


async def test_faults_befall_the_requests_they_are_for() -> None:
    faults = {1: Fault(status=529), 2: Fault(status=429, retry_after=7), 3: Fault(overload_after=3)}
    async with service("well", faults=faults) as (model, ask):
        with pytest.raises(anthropic.InternalServerError):
            await ask(user(text("x")))
        with pytest.raises(anthropic.RateLimitError) as limited:
            await ask(user(text("x")))
        assert limited.value.response.headers["retry-after"] == "7"
        with pytest.raises(anthropic.APIStatusError) as overloaded:
            await ask(user(text("x")))
        assert (overloaded.value.status_code, overloaded.value.type) == (200, "overloaded_error")
        assert (await ask(user(text("x")))).content[0].text == "well"
    assert [asked.number for asked in model.requests] == [1, 2, 3, 4]


async def test_a_structured_request_is_answered_with_the_text_of_the_object() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
    async with service({"a": 1}) as (_, ask):
        reply = await ask(
            user(text("x")), output_config={"format": {"type": "json_schema", "schema": schema}}
        )
    assert reply.content[0].text == '{"a": 1}'


async def test_an_error_in_the_rule_fails_the_test_that_wrote_it() -> None:
    with pytest.raises(AssertionError, match="one more than the 1"):
        async with service("only") as (_, ask):
            await ask(user(text("x")))
            with pytest.raises(anthropic.BadRequestError):
                await ask(user(text("y")))
