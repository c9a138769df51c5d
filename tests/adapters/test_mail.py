"""Mails: the architect's lines, one link for each recipient, and what a mail server may do to them."""

from __future__ import annotations

import re
from email.message import EmailMessage
from typing import Any

import pytest

from executor.adapters.mail import EmailChannel, SmtpServer
from executor.domain.approval_link import ApprovalLinks
from executor.errors import Permanent, Transient
from tests.fakes.mail import FakeMailServer, certified

LINKS = ApprovalLinks(b"k" * 32)
BASE = "http://localhost:8400"


def notice(kind: str = "build.completed", **more: Any) -> dict[str, Any]:
    """What the engine would tell."""
    build_id = "build-11-coordinator-20260101-001"
    return {
        "kind": kind, "build_id": build_id, "droplet_id": 11, "droplet_name": "coordinator",
        "title": "Coordinator", "intent": "Build it", "status": "complete", "step": 8,
        "message": "It is live.", "checkpoint": "deployed", "gate_id": "deployed-abc", "asks": "Accept it?",
        "evidence": {}, "questions": [], "decided_gate_id": None, "decision": None, "decided_by": None,
        "feedback": None, "error": None, "duration_seconds": 4980.0, "files_created": 15,
        "tests_passing": 12, "tests_failing": 0, "spec_score": 96.0, "release": "r1", "commit": "abc",
        "deployment_url": "http://localhost:8300", "repository_url": None, "cost_usd": 1.5,
        "cost_known": True, "budget_usd": 5.0, "approval_mode": "auto",
        "review_url": f"{BASE}/builds/{build_id}", "timestamp": "2026-01-01T00:00:00.000Z", **more,
    }  # fmt: skip


def channel(server: FakeMailServer, *to: str, **more: Any) -> EmailChannel:
    where = SmtpServer("127.0.0.1", server.port, **{"tls": "none", **more})
    return EmailChannel(
        where, "FPAI <executor@example.org>", to or ("a@example.org",), links=LINKS, base_url=BASE,
        clock=lambda: 1_800_000_000.0,
    )  # fmt: skip


async def tell(one: EmailChannel, told: dict[str, Any], *, repeat: bool = False, key: str = "key-1") -> None:
    await one.tell(told, key=key, may_be_repeat=repeat, earlier=None)


def texts(message: EmailMessage) -> tuple[str, str]:
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None and html is not None
    return plain.get_content(), html.get_content()


async def test_the_completion_has_the_architects_lines_in_text_and_html():
    with FakeMailServer() as server:
        await tell(channel(server), notice())
    (mail,) = server.box.taken
    assert mail["Subject"] == "✅ Build Complete: Coordinator Droplet #11"
    for text in texts(mail):
        for words in ("SUCCESS", "1h 23m", "15", "12/12 passing", "http://localhost:8300", "$1.50 of $5.00"):
            assert words in text
        assert f"{BASE}/builds/build-11-coordinator-20260101-001" in text
    assert mail["Auto-Submitted"] == "auto-generated"


async def test_each_recipient_has_a_mail_and_a_link_of_their_own():
    with FakeMailServer() as server:
        await tell(channel(server, "a@example.org", "b@example.org"), notice())
    assert server.box.recipients == ["a@example.org", "b@example.org"]
    tokens = [re.search(r"/a/([\w.-]+)", texts(mail)[0])[1] for mail in server.box.taken]
    assert [LINKS.read(token).to for token in tokens] == ["a@example.org", "b@example.org"]
    assert {LINKS.read(token).gate_id for token in tokens} == {"deployed-abc"}
    first, second = server.box.taken
    assert first["Message-ID"] != second["Message-ID"] and first["References"] == second["References"]


async def test_a_notice_that_asks_nothing_has_no_link_that_decides_and_a_decision_is_no_mail():
    with FakeMailServer() as server:
        error = {"message": "No.", "hint": "Retry."}
        await tell(channel(server), notice("build.failed", checkpoint=None, gate_id=None, error=error))
        await tell(channel(server), notice("build.decided", checkpoint=None, gate_id=None))
    (mail,) = server.box.taken
    assert "/a/" not in texts(mail)[0]
    assert "No." in texts(mail)[0] and "Retry." in texts(mail)[1]


async def test_what_others_wrote_is_text_and_ends_no_header():
    hostile = "<script>alert(1)</script>"
    with FakeMailServer() as server:
        title = "X\r\nBcc: evil@example.org"
        await tell(channel(server), notice(message=hostile, title=title, feedback=hostile))
    (mail,) = server.box.taken
    assert mail["Bcc"] is None
    assert hostile not in texts(mail)[1]
    assert "&lt;script&gt;" in texts(mail)[1]
    assert not re.search(r'(src|background)="', texts(mail)[1])


async def test_the_same_message_keeps_its_id_and_a_possible_repeat_says_so():
    with FakeMailServer() as server:
        server.box.drops_after_data = 1
        one = channel(server)
        with pytest.raises(Transient):
            await tell(one, notice())
        await tell(one, notice(), repeat=True)
    sure, maybe = server.box.taken
    assert sure["Message-ID"] == maybe["Message-ID"]
    assert "repeat" in maybe["Subject"] and "repeat" not in sure["Subject"]
    assert "may be a repeat" in texts(maybe)[0]


async def test_a_try_again_goes_only_to_those_who_have_not_got_it():
    with FakeMailServer() as server:
        one = channel(server, "a@example.org", "b@example.org")
        server.box.at_data = ["", "451 Later, please"]
        with pytest.raises(Transient):
            await tell(one, notice())
        await tell(one, notice(), repeat=True)
    assert server.box.recipients == ["a@example.org", "b@example.org"]


async def test_one_refused_recipient_keeps_the_mail_from_nobody_else_and_all_refused_is_said():
    with FakeMailServer() as server:
        server.box.at_rcpt = {"gone@example.org": "550 No such user"}
        await tell(channel(server, "gone@example.org", "b@example.org"), notice())
        assert server.box.recipients == ["b@example.org"]
        with pytest.raises(Permanent, match="gone@"):
            await tell(channel(server, "gone@example.org"), notice(), key="key-2")


@pytest.mark.parametrize(
    ("answer", "kind"), [("451 Busy", Transient), ("554 Spam", Permanent), ("421 Closing", Transient)]
)
async def test_the_servers_codes_say_whether_another_try_is_worth_it(answer: str, kind: type[Exception]):
    with FakeMailServer() as server:
        server.box.at_data = [answer]
        with pytest.raises(kind):
            await tell(channel(server), notice())


async def test_a_server_that_is_away_is_waited_for():
    server = FakeMailServer()
    with pytest.raises(Transient, match="The mail server"):
        await tell(channel(server), notice())


async def test_a_login_is_used_over_tls_and_a_wrong_one_is_final(tmp_path, monkeypatch):
    context, authority = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with FakeMailServer("me", "right", tls=context) as server:
        await tell(channel(server, user="me", password="right", tls="starttls"), notice())
        assert len(server.box.taken) == 1
        with pytest.raises(Permanent, match="login"):
            await tell(channel(server, user="me", password="wrong", tls="starttls"), notice(), key="key-2")


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_certificate_that_nobody_vouches_for_gets_no_mail(tmp_path, monkeypatch, tls):
    context, authority = certified(tmp_path)
    with FakeMailServer(tls=context, at_once=tls == "tls") as server:
        with pytest.raises(Permanent, match="certificate"):
            await tell(channel(server, tls=tls), notice())
        assert server.box.taken == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        await tell(channel(server, tls=tls), notice(), key="key-2")
        assert len(server.box.taken) == 1


async def test_a_server_without_starttls_gets_no_mail_in_the_clear():
    with FakeMailServer() as server:
        with pytest.raises((Permanent, Transient)):
            await tell(channel(server, tls="starttls"), notice())
        assert server.box.taken == []
