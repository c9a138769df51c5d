"""fpai doctor about channels: what each lacks, whether buttons work, and with --deep whether it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from executor.cli.doctor_channels import examine_channels
from executor.settings import Configuration, Secrets
from executor.settings_tables import Settings
from tests.fakes.mail import FakeMailServer, certified
from tests.fakes.slack import APP, BOT, SIGNING, FakeSlack

BOTH = {"SLACK_BOT_TOKEN": BOT, "SLACK_APP_TOKEN": APP}


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    """In a thread of its own, since the check runs a loop of its own."""
    fake, ready, done = FakeSlack(), Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with fake:
            ready.set()
            await done.wait()

    thread = Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    yield fake
    loops[0].call_soon_threadsafe(done.set)
    thread.join(10)


def configured(secrets: dict[str, str], public_url: str = "", **notify: Any) -> Configuration:
    tables = {"server": {"public_url": public_url}, "notify": notify}
    return Configuration(Settings.model_validate(tables), Secrets(secrets), None, Path("state"))


def slack_table(**more: Any) -> dict[str, Any]:
    return {"kind": "slack", "channel": "C1", "approvers": ["U1"], **more}


def mail_table(port: int, **more: Any) -> dict[str, Any]:
    return {
        "kind": "email", "host": "127.0.0.1", "port": port, "tls": "none", "sender": "a@b.example",
        "to": ["c@d.example"], **more,
    }  # fmt: skip


def test_with_no_channel_nobody_is_told_and_that_is_said():
    check = examine_channels(configured({}))
    assert (check.state, "nobody is told" in check.says) == ("warn", True)


def test_each_channel_says_what_it_lacks_and_how_to_set_it():
    mail = mail_table(25, user="somebody")
    check = examine_channels(
        configured({}, slack=slack_table(), email=mail, ops={"kind": "webhook", "url": "http://x"})
    )
    assert check.state == "warn"
    for name, lacks in (
        ("slack", "SLACK_BOT_TOKEN"),
        ("email", "SMTP_PASSWORD"),
        ("ops", "WEBHOOK_SECRET_OPS"),
    ):
        assert f"{name} tells nobody" in check.says
        assert lacks in check.fix


@pytest.mark.parametrize(
    ("secrets", "table", "url", "says", "fix"),
    [
        (BOTH, {}, "", "bot in C1; buttons: Approve, Reject", ""),
        ({"SLACK_BOT_TOKEN": BOT, "SLACK_SIGNING_SECRET": SIGNING}, {}, "https://x.example", "buttons:", ""),
        ({"SLACK_BOT_TOKEN": BOT, "SLACK_SIGNING_SECRET": SIGNING}, {}, "", "no buttons", "public_url"),
        ({"SLACK_BOT_TOKEN": BOT}, {}, "", "no buttons", "SLACK_APP_TOKEN"),
        (BOTH, {"approvers": []}, "", "nobody is named in approvers", ""),
        ({"SLACK_WEBHOOK_URL": "http://x/"}, {"approvers": []}, "", "incoming webhook", ""),
    ],
)  # fmt: skip
def test_slack_says_whether_buttons_work_and_what_they_lack(secrets, table, url, says, fix):
    check = examine_channels(configured(secrets, url, slack=slack_table(**table)))
    assert says in check.says
    assert fix in check.fix
    assert check.state == ("warn" if fix else "ok")


def test_deep_asks_slack_about_each_token_and_posts_nothing(slack):
    check = examine_channels(configured(BOTH, slack=slack_table(api_url=slack.api_url)), deep=True)
    assert (check.state, check.fix) == ("ok", "")
    assert "SLACK_BOT_TOKEN is accepted; SLACK_APP_TOKEN is accepted" in check.says
    assert [call.method for call in slack.calls] == ["auth.test", "apps.connections.open"]


def test_deep_says_which_token_slack_refuses_and_what_to_do(slack):
    secrets = {**BOTH, "SLACK_APP_TOKEN": "xapp-wrong"}
    check = examine_channels(configured(secrets, slack=slack_table(api_url=slack.api_url)), deep=True)
    assert "SLACK_APP_TOKEN: Slack refuses it: invalid_auth." in check.says
    assert (check.state, "Set the token anew" in check.fix) == ("warn", True)


def test_without_deep_nobody_is_asked(slack):
    examine_channels(configured(BOTH, slack=slack_table(api_url=slack.api_url)))
    assert slack.calls == []


def test_deep_logs_in_at_the_mail_server_and_sends_nothing(tmp_path, monkeypatch):
    context, authority = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with FakeMailServer("somebody", "right", tls=context) as server:
        table = mail_table(server.port, user="somebody", tls="starttls")
        good = examine_channels(configured({"SMTP_PASSWORD": "right"}, email=table), deep=True)
        bad = examine_channels(configured({"SMTP_PASSWORD": "wrong"}, email=table), deep=True)
        assert server.box.taken == []
    away = examine_channels(configured({}, email=mail_table(server.port)), deep=True)
    assert (good.state, "email's server is accepted" in good.says) == ("ok", True)
    assert (bad.state, "refuses the login" in bad.says) == ("warn", True)
    assert (away.state, "does not take" in away.says) == ("warn", True)
