"""What a conversation does with replies that are no answer yet."""

from __future__ import annotations

from executor.domain.conversation import ModelReply, StopReason, Usage
from tests.agent.spec_desk import desk
from tests.fakes.spec_reply import spec_reply

CUT = ModelReply(
    "msg_cut",
    "claude-sonnet-5-5",
    ({"type": "text", "text": '{"questions": [], "assumptions": ["Prices ar'},),
    StopReason.MAX_TOKENS,
    Usage(1000, 32_000),
)


async def test_a_form_that_was_cut_is_asked_for_again_in_half_the_length(tmp_path):
    async with desk(tmp_path, CUT, spec_reply()) as office:
        await office.finished()
        assert "half as long" in office.model.told(1)


async def test_a_form_that_does_not_validate_is_sent_back_with_what_is_wrong(tmp_path):
    async with desk(tmp_path, {"questions": []}, spec_reply()) as office:
        await office.finished()
        assert "Field required" in office.model.told(1)


async def test_after_three_useless_answers_the_build_fails_and_says_so(tmp_path):
    async with desk(tmp_path, "no", "no", "no") as office:
        failed = await office.failed()
        assert failed.error["code"] == "MODEL_ANSWER_UNUSABLE"
        assert len(office.model.requests) == 3
