"""The model's key: which one counts, and that nothing ever shows it."""

from __future__ import annotations

import base64
import json

import pytest

from executor.adapters.claude import Claude
from executor.errors import Permanent
from tests.adapters.claude_calls import KEY, claude, fails, request, silent
from tests.fakes.model import Fault, ScriptedModel, call, script, text, thought


async def test_a_key_that_no_header_can_carry_is_permanent_and_not_shown() -> None:
    async with ScriptedModel(script()) as model:
        service = Claude(api_key="sk-ant-first\nsecond", base_url=model.url)
        with pytest.raises(Permanent) as caught:
            await service.reply(request(), silent)
        await service.aclose()
    assert "sk-ant-first" not in f"{caught.value!r} {caught.value} {caught.value.details}"


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
