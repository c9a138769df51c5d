"""One call of the model that goes wrong: a sorted error, and never half a reply."""

from __future__ import annotations

import json

import pytest

from executor.adapters.claude import Claude
from executor.errors import ContextExceeded, Permanent, Transient
from tests.adapters.claude_calls import KEY, STORY, claude, fails, request, silent
from tests.fakes.model import Fault, call, text, thought
from tests.proof.ledger import Ledger
from tests.proof.scale import scaled

_CUT_STEP = scaled(17, 1)
SSE = "text/event-stream"


@pytest.mark.sweep
@pytest.mark.parametrize("cleanly", [True, False])
async def test_r8_a_stream_that_is_cut_after_any_byte_is_no_reply(cleanly: bool, ledger: Ledger) -> None:
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
            ledger.tried("cuts of a recorded stream")
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
