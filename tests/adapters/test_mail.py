"""Mails: the architect's lines, one link for each recipient, and what a mail server may do to them."""

from __future__ import annotations

import asyncio
import re
from email.message import EmailMessage
from typing import Any

import pytest
import structlog

from executor.adapters.mail import EmailChannel
from executor.adapters.mail_server import SmtpServer
from executor.domain.approval_link import ApprovalLinks
from executor.domain.notice import NoticeKind
from executor.errors import Permanent, Transient
from tests.fakes.mail import FakeMailServer, certified
from tests.fakes.notices import notice

LINKS = ApprovalLinks(b"k" * 32)
BASE = "http://localhost:8400"


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
        await tell(channel(server), notice(cost_usd=1.5, budget_usd=5.0))
    (mail,) = server.box.taken
    assert mail["Subject"] == "✅ Build Complete: Coordinator Droplet #11"
    for text in texts(mail):
        for words in ("SUCCESS", "1h 23m", "15", "12/12 passing", "http://localhost:8300", "$1.50 of $5.00"):
            assert words in text
        assert f"{BASE}/builds/build-11-coordinator-20251114-001" in text
    assert mail["Auto-Submitted"] == "auto-generated"


async def test_each_recipient_has_a_mail_and_a_link_of_their_own():
    with FakeMailServer() as server:
        await tell(channel(server, "a@example.org", "b@example.org"), notice())
    assert server.box.recipients == ["a@example.org", "b@example.org"]
    tokens = [re.search(r"/a/([\w.-]+)", texts(mail)[0])[1] for mail in server.box.taken]
    assert [LINKS.read(token).to for token in tokens] == ["a@example.org", "b@example.org"]
    assert {LINKS.read(token).gate_id for token in tokens} == {"deployed-1"}
    first, second = server.box.taken
    assert first["Message-ID"] != second["Message-ID"] and first["References"] == second["References"]


async def test_a_notice_that_asks_nothing_has_no_link_that_decides_and_a_decision_is_no_mail():
    with FakeMailServer() as server:
        error = {"message": "No.", "hint": "Retry."}
        await tell(channel(server), notice(NoticeKind.FAILED, checkpoint=None, gate_id=None, error=error))
        await tell(channel(server), notice(NoticeKind.DECIDED, checkpoint=None, gate_id=None))
    (mail,) = server.box.taken
    assert "/a/" not in texts(mail)[0]
    assert "No." in texts(mail)[0] and "Retry." in texts(mail)[1]


async def test_a_question_comes_with_its_answers_and_where_to_give_one():
    question = {"id": "store", "question": "Where are they kept?", "options": ["memory", "file"]}
    asking = notice(NoticeKind.INPUT_REQUESTED, checkpoint=None, gate_id=None, questions=[question])
    with FakeMailServer() as server:
        await tell(channel(server), asking)
    (mail,) = server.box.taken
    for text in texts(mail):
        assert "Where are they kept? (memory | file)" in text
        assert "Answer here" in text and asking["review_url"] in text


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


async def test_a_try_again_goes_only_to_those_who_have_not_got_it_and_theirs_is_no_repeat():
    with FakeMailServer() as server:
        one = channel(server, "a@example.org", "b@example.org")
        server.box.at_data = ["", "451 Later, please"]
        with pytest.raises(Transient, match=r"b@example\.org"):
            await tell(one, notice())
        await tell(one, notice(), repeat=True)
    assert server.box.recipients == ["a@example.org", "b@example.org"]
    assert not [mail for mail in server.box.taken if "repeat" in mail["Subject"]]


@pytest.mark.parametrize(
    ("at_rcpt", "at_data"),
    [({"full@example.org": "452 Mailbox full"}, []), ({}, ["451 Come back in a while"])],
    ids=["at the address", "at the mail"],
)
async def test_a_mailbox_that_wants_its_mail_later_keeps_it_from_nobody_else(at_rcpt, at_data):
    with FakeMailServer() as server:
        server.box.at_rcpt, server.box.at_data = at_rcpt, at_data
        one = channel(server, "full@example.org", "b@example.org")
        with pytest.raises(Transient, match=r"full@example\.org"):
            await tell(one, notice())
        assert server.box.recipients == ["b@example.org"]
        server.box.at_rcpt = {}
        await tell(one, notice(), repeat=True)
    assert server.box.recipients == ["b@example.org", "full@example.org"]


async def test_after_a_restart_nobody_knows_who_got_it_so_all_are_told_with_the_mark():
    with FakeMailServer() as server:
        await tell(channel(server, "a@example.org", "b@example.org"), notice())
        await tell(channel(server, "a@example.org", "b@example.org"), notice(), repeat=True)
    assert ["[repeat?]" in mail["Subject"] for mail in server.box.taken] == [False, False, True, True]
    assert len({mail["Message-ID"] for mail in server.box.taken}) == 2


@pytest.mark.parametrize(
    ("at_rcpt", "at_data"),
    [({"gone@example.org": "550 No such user"}, []), ({}, ["554 Not for this one"])],
    ids=["at the address", "at the mail"],
)
async def test_one_refused_recipient_keeps_the_mail_from_nobody_else(at_rcpt, at_data):
    with FakeMailServer() as server:
        server.box.at_rcpt, server.box.at_data = at_rcpt, at_data
        with structlog.testing.capture_logs() as logged:
            await tell(channel(server, "gone@example.org", "b@example.org"), notice())
    assert server.box.recipients == ["b@example.org"]
    (line,) = [line for line in logged if line["event"] == "mail_refused"]
    assert "gone@example.org (55" in line["refused"]


async def test_a_mail_that_everybody_is_refused_is_given_up_with_the_servers_words():
    with FakeMailServer() as server:
        server.box.at_rcpt = {"gone@example.org": "550 No such user"}
        with pytest.raises(Permanent, match=r"gone@example\.org \(550.*No such user"):
            await tell(channel(server, "gone@example.org"), notice())


async def test_whoever_was_refused_is_not_asked_again_when_another_is_tried_again():
    with FakeMailServer() as server:
        server.box.at_rcpt = {"gone@example.org": "550 No such user", "full@example.org": "452 Full"}
        one = channel(server, "gone@example.org", "full@example.org")
        with pytest.raises(Transient):
            await tell(one, notice())
        server.box.at_rcpt = {}
        await tell(one, notice(), repeat=True)
    assert server.box.recipients == ["full@example.org"]


@pytest.mark.parametrize(
    ("answer", "kind"), [("451 Busy", Transient), ("554 Spam", Permanent), ("421 Closing", Transient)]
)
async def test_the_servers_codes_say_whether_another_try_is_worth_it(answer: str, kind: type[Exception]):
    with FakeMailServer() as server:
        server.box.at_data = [answer]
        with pytest.raises(kind):
            await tell(channel(server), notice())


async def test_a_server_that_is_away_is_waited_for_and_what_surely_never_came_is_no_repeat():
    server = FakeMailServer()
    one = channel(server)
    with pytest.raises(Transient, match="The mail server"):
        await tell(one, notice())
    with server:
        await tell(one, notice(), repeat=True)
    (mail,) = server.box.taken
    assert "repeat" not in mail["Subject"]


async def test_a_server_that_says_nothing_is_not_waited_for_longer_than_its_time():
    with FakeMailServer() as server:
        server.box.silent = True
        with pytest.raises(Transient):
            await tell(channel(server, timeout=0.3), notice())


async def test_a_stop_does_not_wait_for_a_server_that_says_nothing_and_its_mail_may_be_a_repeat():
    with FakeMailServer() as server:
        server.box.silent = True
        one = channel(server, timeout=120.0)
        telling = asyncio.create_task(tell(one, notice()))
        assert await asyncio.to_thread(server.box.heard.wait, 60)
        telling.cancel()
        await asyncio.wait({telling}, timeout=30)
        assert telling.cancelled()
        server.box.silent = False
        await tell(one, notice(), repeat=True)
        assert ["[repeat?]" in mail["Subject"] for mail in server.box.taken] == [False, True]


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


async def test_a_server_without_starttls_gets_no_mail_in_the_clear_and_that_is_final():
    with FakeMailServer() as server:
        with pytest.raises(Permanent, match="STARTTLS"):
            await tell(channel(server, tls="starttls"), notice())
        assert server.box.taken == []


async def test_mails_are_plain_bytes_readable_on_a_phone_and_in_the_dark_whatever_the_text_holds():
    with FakeMailServer() as server:
        await tell(channel(server), notice(message="Half of a character: \ud83d. Whole: 🙂 " + "x" * 2000))
    (mail,) = server.box.taken
    assert mail.as_bytes().isascii()
    assert max(map(len, mail.as_bytes().splitlines())) < 998, "RFC 5322's longest line"
    text, html = texts(mail)
    assert "Half of a character: ?. Whole: 🙂" in text
    assert 'name="viewport"' in html and 'name="color-scheme" content="light dark"' in html
