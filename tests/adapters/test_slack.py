"""Slack as a channel: told once or marked, kept up to date, and what its refusals lead to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from executor.adapters.slack import SlackBot, SlackWebhook
from executor.adapters.slack_api import SlackApi, may_answer
from executor.adapters.slack_message import Buttons
from executor.domain.notice import NoticeKind
from executor.errors import Permanent, Transient
from tests.fakes.notices import notice
from tests.fakes.slack import BOT, FakeSlack, buttons

ALL = Buttons(clicks=True, revise=True)


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as serving:
        yield serving


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def bot(slack: FakeSlack, session: aiohttp.ClientSession) -> SlackBot:
    return SlackBot(SlackApi(session, BOT, slack.api_url, timeout=5), "C1", ALL)


@pytest.fixture
def webhook(slack: FakeSlack, session: aiohttp.ClientSession) -> SlackWebhook:
    return SlackWebhook(session, slack.webhook_url, ALL, timeout=5)


async def tell(
    channel: SlackBot | SlackWebhook, told: Any, *, repeat: bool = False, earlier: Any = None
) -> Any:
    return await channel.tell(told, key="notify-slack-b-7", may_be_repeat=repeat, earlier=earlier)


async def test_the_bot_posts_to_its_channel_and_keeps_where_the_message_is(slack, bot):
    receipt = await tell(bot, notice())
    ((ts, message),) = slack.messages.items()
    assert (message["channel"], receipt["channel"], receipt["ts"]) == ("C1", "C1", ts)
    assert list(buttons(message)) == ["approve", "revise", "reject"]
    assert buttons(receipt) == {}
    assert message["unfurl_links"] is False
    assert slack.calls[0].token == BOT


async def test_the_webhook_posts_the_same_message_and_keeps_nothing(slack, webhook):
    assert await tell(webhook, notice()) is None
    (message,) = slack.messages.values()
    assert message["blocks"][0]["text"]["text"].startswith("✅ Build Complete")


@pytest.mark.parametrize("kind", list(NoticeKind))
async def test_every_kind_is_told(slack, bot, kind):
    await tell(bot, notice(kind, gate_id=None, checkpoint=None))
    assert len(slack.messages) == 1


async def test_a_decision_changes_the_message_that_asked_and_posts_none(slack, bot):
    receipt = await tell(bot, notice())
    assert await tell(bot, notice(NoticeKind.DECIDED, decision="approve"), earlier=receipt) is None
    (message,) = slack.messages.values()
    assert buttons(message) == {}
    assert "Approved" in message["blocks"][-1]["elements"][0]["text"]


@pytest.mark.parametrize("kind", [NoticeKind.ENDED, NoticeKind.FAILED])
async def test_an_end_closes_the_question_and_is_told_too(slack, bot, kind):
    receipt = await tell(bot, notice())
    await tell(bot, notice(kind, status="cancelled", gate_id=None), earlier=receipt)
    asked, told = slack.messages.values()
    assert buttons(asked) == {}
    assert "Build" in told["blocks"][0]["text"]["text"]


async def test_a_decision_about_a_message_that_was_deleted_is_posted(slack, bot):
    receipt = await tell(bot, notice())
    slack.messages.clear()
    await tell(bot, notice(NoticeKind.DECIDED, decision="approve"), earlier=receipt)
    assert len(slack.messages) == 1


async def test_a_dropped_reply_is_told_again_with_its_mark(slack, bot):
    slack.faults = ["drop"]
    with pytest.raises(Transient):
        await tell(bot, notice())
    await tell(bot, notice(), repeat=True)
    sure, maybe = slack.messages.values()
    assert "repeat" not in sure["text"]
    assert maybe["text"].startswith("(possible repeat)")


async def test_the_library_itself_tries_once(slack, bot, webhook):
    for channel in (bot, webhook):
        slack.faults = ["drop"]
        with pytest.raises(Transient):
            await tell(channel, notice())
    assert len(slack.calls) == 2


@pytest.mark.parametrize("fault", [500, 503, 429, "ratelimited", "internal_error", "service_unavailable"])
async def test_trouble_of_slacks_own_is_for_later(slack, bot, fault):
    slack.faults = [fault]
    with pytest.raises(Transient):
        await tell(bot, notice())


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_trouble_of_the_webhook_is_for_later(slack, webhook, status):
    slack.faults = [status]
    with pytest.raises(Transient):
        await tell(webhook, notice())


async def test_a_rate_limit_says_for_how_long(slack, bot, webhook):
    slack.faults, slack.retry_after = [429, 429], "30"
    for channel in (bot, webhook):
        with pytest.raises(Transient) as caught:
            await tell(channel, notice())
        assert caught.value.retry_after == 30.0


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("channel_not_found", "/invite"),
        ("not_in_channel", "/invite"),
        ("invalid_auth", "SLACK_BOT_TOKEN"),
        ("missing_scope", "chat:write"),
        ("msg_too_long", "msg_too_long"),
    ],
)
async def test_a_refusal_is_given_up_and_says_what_to_do(slack, bot, error, advice):
    slack.faults = [error]
    with pytest.raises(Permanent, match=error) as caught:
        await tell(bot, notice())
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("error", "advice"), [("no_service", "SLACK_WEBHOOK_URL"), ("channel_is_archived", "/invite")]
)
async def test_a_refusal_of_the_webhook_is_given_up_and_says_what_to_do(slack, webhook, error, advice):
    slack.faults = [error]
    with pytest.raises(Permanent, match=error) as caught:
        await tell(webhook, notice())
    assert advice in str(caught.value)


async def test_a_slack_that_is_down_is_for_later_and_told_once_it_is_back(slack, bot, webhook):
    await slack.__aexit__(None, None, None)
    for channel in (bot, webhook):
        with pytest.raises(Transient):
            await tell(channel, notice())
    async with FakeSlack(port=slack.port) as again:
        await tell(bot, notice())
        assert len(again.messages) == 1


async def test_a_slack_that_never_answers_is_for_later(slack, session):
    slack.faults = ["hang", "hang"]
    slow = SlackBot(SlackApi(session, BOT, slack.api_url, timeout=0.05), "C1", ALL)
    with pytest.raises(Transient):
        await tell(slow, notice())
    with pytest.raises(Transient):
        await tell(SlackWebhook(session, slack.webhook_url, ALL, timeout=0.05), notice())


async def test_something_else_than_slack_is_for_later(slack, bot):
    slack.faults = [200]
    with pytest.raises(Transient, match="else than Slack"):
        await tell(bot, notice())


async def test_no_secret_is_in_what_is_told_of_a_failure(slack, session):
    await slack.__aexit__(None, None, None)
    with pytest.raises(Transient) as caught:
        await tell(SlackWebhook(session, slack.webhook_url, ALL), notice())
    assert "services" not in str(caught.value)


async def test_a_proxy_of_the_environment_is_not_used(slack, session, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    await tell(SlackBot(SlackApi(session, BOT, slack.api_url), "C1", ALL), notice())
    await tell(SlackWebhook(session, slack.webhook_url, ALL), notice())
    assert len(slack.messages) == 2


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://hooks.slack.com/actions/T1/1/x", True),
        ("https://slack.com/x", True),
        ("http://hooks.slack.com/x", False),
        ("https://hooks.slack.com.evil.example/x", False),
        ("https://hooks.slack.com@evil.example/x", False),
        ("https://127.0.0.1/x", False),
        ("", False),
    ],
)
def test_only_slacks_own_addresses_are_answered(url, allowed):
    assert may_answer(url, "https://slack.com/api/") is allowed
