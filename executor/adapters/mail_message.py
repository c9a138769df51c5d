"""One mail of a notice: text and HTML, whatever others wrote escaped, nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import formatdate
from html import escape

from executor.domain.notice import Notice, NoticeKind
from executor.domain.notice_words import facts_of, headline

_REPEAT = "This may be a repeat of a mail that has arrived before."
_BODY = (
    "font-family:system-ui,sans-serif;font-size:15px;line-height:1.5;max-width:36rem;margin:0 auto;"
    "padding:16px"
)
_BUTTON = (
    "display:inline-block;padding:10px 18px;border-radius:8px;background:#1a58bd;color:#ffffff;"
    "text-decoration:none;font-weight:600"
)
_CELL = "padding:4px 16px 4px 0;vertical-align:top"


def message_of(
    notice: Notice,
    *,
    sender: str,
    to: str,
    message_id: str,
    thread_id: str,
    link: str,
    now: float,
    may_be_repeat: bool,
) -> EmailMessage:
    """The mail. `link` is where the recipient decides, empty when there is nothing to; `now` in seconds.

    Mails of one build refer to `thread_id`, so that they are shown as one thread.
    """
    message = EmailMessage()
    message["From"], message["To"] = sender, to
    message["Subject"] = _one_line(f"{'[repeat?] ' if may_be_repeat else ''}{headline(notice)}")
    message["Date"], message["Message-ID"] = formatdate(now), message_id
    message["References"] = message["In-Reply-To"] = thread_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(_text(notice, link, may_be_repeat)))
    message.add_alternative("".join(_html(notice, link, may_be_repeat)), subtype="html")
    return message


def _text(notice: Notice, link: str, may_be_repeat: bool) -> Iterator[str]:
    yield headline(notice)
    if may_be_repeat:
        yield _REPEAT
    yield from ("", str(notice["message"]), "")
    for name, value in facts_of(notice):
        yield f"{name}: {value}"
    for question in notice["questions"]:
        yield from ("", f"Question: {question.get('question', '')}")
    yield ""
    if link:
        yield from (f"{notice['asks']}", f"Approve, revise or reject: {link}", "")
    yield f"{_invitation(notice)}: {notice['review_url']}"


def _html(notice: Notice, link: str, may_be_repeat: bool) -> Iterator[str]:
    yield f'<!doctype html><html lang="en"><body style="{_BODY}"><h2>{escape(headline(notice))}</h2>'
    if may_be_repeat:
        yield f"<p><em>{_REPEAT}</em></p>"
    yield f"<p>{escape(str(notice['message']))}</p><table>"
    for name, value in facts_of(notice):
        yield f'<tr><td style="{_CELL}">{escape(name)}</td>'
        yield f'<td style="{_CELL}"><b>{escape(value)}</b></td></tr>'
    yield "</table>"
    for question in notice["questions"]:
        yield f"<p><b>Question:</b> {escape(str(question.get('question', '')))}</p>"
    if link:
        yield f"<p>{escape(str(notice['asks']))}</p>"
        yield f'<p><a style="{_BUTTON}" href="{escape(link)}">Look and decide</a></p>'
    address = escape(str(notice["review_url"]))
    yield f'<p>{_invitation(notice)}: <a href="{address}">{address}</a></p></body></html>'


def _invitation(notice: Notice) -> str:
    return "Ready for review" if notice["kind"] == NoticeKind.COMPLETED else "The build"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
