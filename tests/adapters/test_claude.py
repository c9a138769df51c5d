"""One call of the model: a whole reply or a sorted error, and never anything between."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel, Field

from executor.adapters.claude import Claude
from executor.domain.conversation import ModelRequest, StopReason
from executor.errors import ContextExceeded, ExecutorError, Permanent, Transient
from tests.fakes.model import Fault, ScriptedModel, call, script, signature_of, text, thought

KEY = "sk-ant-api03-secret-of-the-house"
_CUT_STEP = 1 if os.environ.get("FPAI_SWEEP") == "all" else 17
SSE = "text/event-stream"
BASH = {"type": "bash_20250124", "name": "bash"}
STORY = [thought("What is there?"), text("I look."), call("bash", command="ls -la", restart=False)]


def silent(_: str, __: str) -> None:
    """Nobody listens."""


def request(*messages: dict[str, Any], **more: Any) -> ModelRequest:
    given = {"model": "claude-sonnet-5-5", "system": "You build.", "max_tokens": 2000, "tools": (BASH,)}
    said = messages or ({"role": "user", "content": [text("go")]},)
    return ModelRequest(messages=said, **{**given, **more})


@asynccontextmanager
async def claude(
    *answers: Any, timeout: float = 20.0, key: str = KEY, **more: Any
) -> AsyncIterator[tuple[Claude, ScriptedModel]]:
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


@pytest.mark.sweep
@pytest.mark.parametrize("cleanly", [True, False])
async def test_r8_a_stream_that_is_cut_after_any_byte_is_no_reply(cleanly: bool) -> None:
    """A half reply must never be acted on: every cut ends in Transient, the whole stream in the reply."""
    answer = [thought("ä"), text("hi"), call("bash", command="ls", n=[1, None])]
    async with claude(answer) as (service, model):
        whole = await service.reply(request(), silent)
        size = model.requests[-1].sent
        cuts = {*range(0, size, _CUT_STEP), *range(size - 3, size)}
        for cut in sorted(cuts):
            model.faults = {len(model.requests) + 1: Fault(drop_after_bytes=cut, cleanly=cleanly)}
            with pytest.raises(Transient, match="cut off") as caught:
                await service.reply(request(), silent)
            assert KEY not in str(caught.value)
        model.faults = {len(model.requests) + 1: Fault(drop_after_bytes=size, cleanly=cleanly)}
        again = await service.reply(request(), silent)
    assert (again.content[:2], again.calls[0]["input"]) == (whole.content[:2], whole.calls[0]["input"])
    assert whole.calls[0]["input"] == {"command": "ls", "n": [1, None]}
    assert len(model.requests) == len(cuts) + 2 > size // _CUT_STEP


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        (Fault(status=429, retry_after=7), 7.0),
        (Fault(status=429, retry_after="10000000"), 3600.0),
        (Fault(status=429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"), 0.0),
        (Fault(status=429, retry_after="soon"), None),
        (Fault(status=500), None),
        (Fault(status=502, body="<html>bad gateway</html>"), None),
        (Fault(status=529, retry_after="1.5"), 1.5),
        (Fault(status=408), None),
        (Fault(overload_after=0), None),
        (Fault(overload_after=4), None),
        (Fault(overload_after=4, error_type="api_error"), None),
        (Fault(drop_after=0), None),
        (Fault(cut_tool_json=True), None),
        (Fault(body="<html>please sign in</html>"), None),
        (Fault(body="", content_type=SSE), None),
        (Fault(body="event: message_start\ndata: {\n\n", content_type=SSE), None),
        (Fault(body='event: message_start\ndata: {"type":"x"}\n\n', content_type=SSE), None),
        (Fault(body='event: message_stop\ndata: {"type":"message_stop"}\n\n', content_type=SSE), None),
        (Fault(body="event: message_start\ndata: [1]\n\n", content_type=SSE), None),
        (Fault(body='{"type":"message"}', content_type="application/json"), None),
    ],
    ids=str,
)  # fmt: skip
async def test_what_may_pass_is_transient_with_the_wait_that_was_asked_for(
    fault: Fault, wait: float | None
) -> None:
    error = await fails(STORY, of=Transient, faults={1: fault})
    assert error.retry_after == wait
    assert "patience" in error.hint


@pytest.mark.parametrize(
    "kind", ["message_start", "content_block_start", "content_block_delta", "message_delta"]
)
async def test_an_event_without_its_parts_is_a_malformed_reply(kind: str) -> None:
    lines = [
        {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant",
         "content": [], "model": "m", "stop_reason": None, "usage": {"input_tokens": 1, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]  # fmt: skip
    bare = [{"type": kind} if line["type"] == kind else line for line in lines]
    body = "".join(f"event: {line['type']}\ndata: {json.dumps(line)}\n\n" for line in bare)
    await fails(of=Transient, faults={1: Fault(body=body, content_type=SSE)})


async def test_the_time_for_one_reply_bounds_it_also_while_it_trickles() -> None:
    error = await fails(STORY, of=Transient, timeout=0.2, pace=0.05)
    assert "not complete after 0.2 seconds" in error.message


async def test_a_service_that_says_nothing_is_given_up_in_time() -> None:
    error = await fails(STORY, of=Transient, timeout=0.2, faults={1: Fault(stall=5)})
    assert "not complete" in error.message


async def test_no_service_at_the_address_is_transient() -> None:
    async with claude("never") as (_, model):
        gone = Claude(api_key=KEY, base_url=model.url)
    with pytest.raises(Transient, match="does not answer"):
        await gone.reply(request(), silent)
    await gone.aclose()


@pytest.mark.parametrize("address", ["localhost:1/v1", "ftp://somewhere"])
async def test_an_address_that_cannot_be_one_is_permanent(address: str) -> None:
    service = Claude(api_key=KEY, base_url=address)
    with pytest.raises(Permanent, match="No request can be made") as caught:
        await service.reply(request(), silent)
    assert "base_url" in caught.value.hint
    await service.aclose()


async def test_a_key_that_no_header_can_carry_is_permanent_and_not_shown() -> None:
    async with ScriptedModel(script()) as model:
        service = Claude(api_key="sk-ant-first\nsecond", base_url=model.url)
        with pytest.raises(Permanent) as caught:
            await service.reply(request(), silent)
        await service.aclose()
    assert "sk-ant-first" not in f"{caught.value!r} {caught.value} {caught.value.details}"


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (Fault(status=401, message="invalid x-api-key"), "MODEL_KEY_REFUSED", "ANTHROPIC_API_KEY"),
        (Fault(status=403, message="not yours"), "MODEL_KEY_REFUSED", "ANTHROPIC_API_KEY"),
        (Fault(status=404, message="model: claude-sonnet-5-5"), "MODEL_UNKNOWN", "[model] model"),
        (Fault(status=402, message="pay"), "MODEL_NOT_PAID", "credit"),
        (Fault(status=400, message="Your credit balance is too low"), "MODEL_NOT_PAID", "credit"),
        (Fault(status=400, message="messages.3: odd"), "MODEL_REQUEST_REFUSED", "messages.3: odd"),
        (Fault(status=422, message="unprocessable"), "MODEL_REQUEST_REFUSED", "unprocessable"),
        (Fault(overload_after=2, error_type="authentication_error"), "MODEL_KEY_REFUSED", "KEY"),
        (Fault(overload_after=2, error_type="invalid_request_error"), "MODEL_REQUEST_REFUSED", "Over"),
    ],
    ids=str,
)  # fmt: skip
async def test_what_trying_again_does_not_change_is_permanent_and_says_what_to_do(
    fault: Fault, code: str, words: str
) -> None:
    error = await fails(STORY, of=Permanent, faults={1: fault})
    assert error.code == code
    assert words in str(error)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=400, message="prompt is too long: 1000001 tokens > 1000000 maximum"),
        Fault(status=400, message="input length and `max_tokens` exceed context limit: 19 + 3 > 20"),
        Fault(status=413, message="Request exceeds the maximum size"),
    ],
    ids=str,
)  # fmt: skip
async def test_a_conversation_that_does_not_fit_is_told_apart(fault: Fault) -> None:
    error = await fails(STORY, of=ContextExceeded, faults={1: fault})
    assert "claude-sonnet-5-5" in error.message


async def test_a_redirect_is_not_followed_since_it_would_carry_the_key_elsewhere() -> None:
    async with claude("elsewhere") as (_, other):
        moved = Fault(status=307, body=other.url)
        await fails(of=Permanent, faults={1: moved})
        assert other.requests == []


async def test_the_key_is_hidden_where_the_service_repeats_it() -> None:
    error = await fails(of=Permanent, faults={1: Fault(status=401, message=f"bad key {KEY}")})
    assert "[redacted]" in error.message
    assert KEY not in f"{error!r} {error.hint} {error.details} {error.__cause__}"


async def test_nothing_that_is_logged_shows_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await fails(of=Permanent, faults={1: Fault(status=401)})
    async with claude("fine") as (service, _):
        await service.reply(request(), silent)
    assert caplog.text
    assert KEY not in caplog.text


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


async def test_an_endpoint_without_a_key_is_asked_with_a_placeholder() -> None:
    async with claude("fine", key="") as (service, model):
        await service.reply(request(), silent)
    assert model.requests[0].headers["authorization"].strip() != "Bearer"


async def test_the_key_that_was_given_counts_and_not_one_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "another")
    async with claude("fine") as (service, model):
        await service.reply(request(), silent)
    assert model.requests[0].headers["authorization"] == f"Bearer {KEY}"


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


async def test_an_endpoint_that_says_the_key_back_is_quoted_without_it() -> None:
    """In words and in a tool's input; in the reply, and in what is heard piece by piece."""
    encoded = base64.b64encode(f"me:{KEY}".encode()).decode()
    said = [
        thought("I keep it to myself."),
        text(f"Basic {encoded} and {KEY}!"),
        call("bash", command=f"echo {KEY}"),
    ]
    heard: list[tuple[str, str]] = []
    async with claude(said) as (service, _):
        reply = await service.reply(request(), lambda kind, added: heard.append((kind, added)))
    told = "".join(added for _, added in heard)
    assert "[redacted]" in told and "[redacted]" in json.dumps(reply.content)
    assert reply.text.endswith(" and [redacted]!")
    assert reply.calls[0]["input"] == {"command": "echo [redacted]"}
    for shown in (told, json.dumps(reply.content)):
        assert KEY not in shown and encoded[8:-4] not in shown and "sk-ant" not in shown
    assert " and [redacted]!" in told
    assert [block["type"] for block in reply.content] == ["thinking", "text", "tool_use"]


async def test_a_signed_thought_with_the_key_is_heard_without_it_and_never_kept() -> None:
    heard: list[str] = []
    async with claude([thought(f"The key is {KEY}."), call("bash", command="ls")]) as (service, _):
        with pytest.raises(Permanent) as refused:
            await service.reply(request(), lambda _, added: heard.append(added))
    assert refused.value.code == "MODEL_SHOWS_KEY"
    assert "".join(heard).startswith("The key is [redacted].")


async def test_what_a_stream_holds_back_is_heard_at_the_latest_when_the_reply_is_whole() -> None:
    heard: list[str] = []
    async with claude([text(f"It ends as the key begins: {KEY[:12]}")]) as (service, _):
        await service.reply(request(), lambda _, added: heard.append(added))
    assert "".join(heard) == f"It ends as the key begins: {KEY[:12]}"
