"""One call of the model: what is asked for, and a whole reply of every kind."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest
from pydantic import BaseModel, Field

from executor.adapters.claude import Claude
from executor.domain.conversation import StopReason
from executor.errors import Permanent
from tests.adapters.claude_calls import KEY, STORY, claude, fails, request, silent
from tests.fakes.model import Fault, ScriptedModel, call, signature_of, text, thought


async def test_a_reply_comes_whole_with_everything_that_must_be_sent_back() -> None:
    async with claude(STORY) as (service, _):
        reply = await service.reply(request(), silent)
    assert [dict(block) for block in reply.content] == [
        {"type": "thinking", "thinking": "What is there?", "signature": signature_of("What is there?")},
        {"type": "text", "text": "I look."},
        {
            "type": "tool_use",
            "id": reply.calls[0]["id"],
            "name": "bash",
            "input": {"command": "ls -la", "restart": False},
            "caller": {"type": "direct"},
        },
    ]
    assert (reply.stop_reason, reply.model) == (StopReason.TOOL_USE, "claude-sonnet-5-5")
    assert reply.message_id.startswith("msg_")
    assert reply.usage.output_tokens > 10
    assert reply.text == "I look."


async def test_what_came_is_accepted_when_it_is_sent_back_and_the_prefix_is_read_from_the_cache() -> None:
    async with claude(STORY, "Done.") as (service, model):
        first = await service.reply(request(), silent)
        result = {"type": "tool_result", "tool_use_id": first.calls[0]["id"], "content": "spec.md"}
        stored = json.loads(json.dumps([dict(block) for block in first.content]))
        second = await service.reply(
            request(
                {"role": "user", "content": [text("go")]},
                {"role": "assistant", "content": stored},
                {"role": "user", "content": [result]},
            ),
            silent,
        )
    assert model.refused == []
    assert second.text == "Done."
    assert first.usage.cache_write_tokens > 0
    assert second.usage.cache_read_tokens == first.usage.cache_write_tokens
    assert second.usage.prompt_tokens > first.usage.prompt_tokens


async def test_a_request_asks_for_what_the_current_models_take() -> None:
    async with claude("fine") as (service, model):
        await service.reply(request(effort="high"), silent)
    body = model.bodies[0]
    assert body["stream"] is True
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert body["cache_control"] == {"type": "ephemeral"}
    assert body["system"] == [{"type": "text", "text": "You build.", "cache_control": {"type": "ephemeral"}}]
    assert body["output_config"] == {"effort": "high"}
    assert not {"temperature", "tool_choice", "top_p"} & set(body)
    assert model.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_request_without_system_tools_and_effort_does_not_name_them() -> None:
    async with claude("fine") as (service, model):
        await service.reply(request(system=" ", tools=()), silent)
    assert not {"system", "tools", "output_config"} & set(model.bodies[0])


class Plan(BaseModel):
    """A form with bounds, which a schema on the wire cannot have."""

    title: str = Field(min_length=3)
    parts: list[int] = Field(max_length=2)
    note: str | None = None


async def test_structured_output_is_asked_for_by_schema_and_comes_as_text() -> None:
    async with claude({"title": "Books", "parts": [1]}) as (service, model):
        reply = await service.reply(request(output=Plan, effort="low"), silent)
    config = model.bodies[0]["output_config"]
    assert config["effort"] == "low"
    assert config["format"]["type"] == "json_schema"
    assert config["format"]["schema"]["additionalProperties"] is False
    assert Plan.model_validate_json(reply.text) == Plan(title="Books", parts=[1])
    assert set(reply.content[0]) == {"type", "text"}


async def test_a_structured_reply_that_does_not_validate_is_not_lost() -> None:
    async with claude({"title": "x", "parts": [1, 2, 3]}) as (service, _):
        reply = await service.reply(request(output=Plan), silent)
    assert json.loads(reply.text)["parts"] == [1, 2, 3]


async def test_whoever_listens_hears_the_reply_while_it_is_written() -> None:
    heard: list[tuple[str, str]] = []
    async with claude([thought("a" * 900), text("b" * 900), call("bash", command="c" * 900)]) as (service, _):
        await service.reply(request(), lambda kind, added: heard.append((kind, added)))
    words = {kind: "".join(added for k, added in heard if k == kind) for kind, _ in heard}
    assert list(words) == ["thinking", "text", "tool"]
    assert (words["thinking"], words["text"]) == ("a" * 900, "b" * 900)
    assert words["tool"] == "bash" + json.dumps({"command": "c" * 900})
    assert len(heard) > 9


async def test_an_error_of_the_listener_is_not_taken_for_one_of_the_service() -> None:
    def broken(_: str, __: str) -> None:
        raise ZeroDivisionError

    async with claude("fine") as (service, _):
        with pytest.raises(ZeroDivisionError):
            await service.reply(request(), broken)


@pytest.mark.parametrize("reason", [r for r in StopReason if r is not StopReason.TOOL_USE])
async def test_every_stop_reason_that_is_known_is_passed_on(reason: StopReason) -> None:
    async with claude("so far", faults={1: Fault(stop_reason=reason)}) as (service, _):
        assert (await service.reply(request(), silent)).stop_reason is reason


async def test_an_unknown_stop_reason_is_permanent_and_named() -> None:
    error = await fails("so far", of=Permanent, faults={1: Fault(stop_reason="tired")})
    assert error.code == "MODEL_STOP_UNKNOWN"
    assert "tired" in error.message


async def test_a_refusal_keeps_its_details() -> None:
    refusal = {
        "content": [text("No.")],
        "stop_reason": "refusal",
        "stop_details": {"type": "refusal", "category": "cyber", "explanation": None},
    }
    async with claude(refusal) as (service, _):
        reply = await service.reply(request(), silent)
    assert reply.stop_details["category"] == "cyber"


async def test_a_call_that_max_tokens_cut_is_kept_as_an_object_that_can_be_sent_back() -> None:
    fault = Fault(cut_tool_json=True, stop_reason="max_tokens")
    async with claude([call("bash", command="echo a long line")], faults={1: fault}) as (service, _):
        reply = await service.reply(request(), silent)
    assert reply.stop_reason is StopReason.MAX_TOKENS
    assert isinstance(reply.calls[0]["input"], dict)


async def test_two_first_calls_at_once_share_one_client_and_do_not_mix() -> None:
    async with ScriptedModel(lambda body, _: body["messages"][0]["content"][0]["text"]) as model:
        service = Claude(api_key=KEY, base_url=model.url)
        asked = [request({"role": "user", "content": [text(f"word {n}")]}) for n in range(8)]
        replies = await asyncio.gather(*(service.reply(one, silent) for one in asked))
        await service.aclose()
    assert [reply.text for reply in replies] == [f"word {n}" for n in range(8)]


async def test_a_call_that_is_cancelled_ends_its_request() -> None:
    async with claude(STORY, faults={1: Fault(stall=30, stall_after=4)}) as (service, model):
        started = asyncio.Event()
        asking = asyncio.create_task(service.reply(request(), lambda *_: started.set()))
        await started.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert len(model.requests) == 1


async def test_halves_of_a_character_are_joined_or_replaced_so_that_the_reply_can_be_stored() -> None:
    async with claude([text("\ud83d\ude00 \ud83d"), call("bash", command="ls")]) as (service, _):
        reply = await service.reply(request(), silent)
    assert reply.text == "\N{GRINNING FACE} \N{REPLACEMENT CHARACTER}"
    assert reply.calls[0]["input"] == {"command": "ls"}


def test_importing_and_making_the_adapter_does_not_import_the_sdk() -> None:
    code = (
        "import sys; from executor.adapters.claude import Claude; Claude(api_key='k');"
        "print([name for name in sys.modules if name.split('.')[0] in ('anthropic', 'httpx2')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
