"""One mail of a notice: text and HTML, whatever others wrote escaped, nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from email.utils import formatdate
from html import escape
from typing import Any

from executor.domain.notice import Notice, NoticeKind
from executor.domain.notice_words import facts_of, headline

_ENCODING = "quoted-printable"
_REPEAT = "This may be a repeat of a mail that has arrived before."
# Colours are left to the reader's program, light or dark; only the button, which is both, has its own.
_HEAD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark">'
    '<meta name="supported-color-schemes" content="light dark">'
)
_BODY = (
    "font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;font-size:16px;line-height:1.5;"
    "max-width:36rem;margin:0 auto;padding:16px;overflow-wrap:anywhere;color-scheme:light dark"
)
_HEADLINE = "font-size:20px;line-height:1.3;margin:0 0 12px"
_BUTTON = (
    "display:inline-block;padding:12px 20px;border-radius:8px;background:#1a58bd;color:#ffffff;"
    "text-decoration:none;font-weight:600"
)
_CELL = "padding:4px 16px 4px 0;vertical-align:top"
_NAME = f"{_CELL};white-space:nowrap"


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
    text, html = "\n".join(_text(notice, link, may_be_repeat)), "".join(_html(notice, link, may_be_repeat))
    message.set_content(_writable(text), cte=_ENCODING)
    message.add_alternative(_writable(html), subtype="html", cte=_ENCODING)
    return message


def _text(notice: Notice, link: str, may_be_repeat: bool) -> Iterator[str]:
    yield headline(notice)
    if may_be_repeat:
        yield _REPEAT
    yield from ("", str(notice["message"]), "")
    for name, value in facts_of(notice):
        yield f"{name}: {value}"
    for question in notice["questions"]:
        yield from ("", f"Question: {_question(question)}")
    yield ""
    if link:
        yield from (f"{notice['asks']}", f"Approve, revise or reject: {link}", "")
    yield f"{_invitation(notice)}: {notice['review_url']}"


def _html(notice: Notice, link: str, may_be_repeat: bool) -> Iterator[str]:
    title = escape(headline(notice))
    yield f'{_HEAD}<title>{title}</title></head><body style="{_BODY}">'
    yield f'<h1 style="{_HEADLINE}">{title}</h1>'
    if may_be_repeat:
        yield f"<p><em>{_REPEAT}</em></p>"
    yield f"<p>{escape(str(notice['message']))}</p><table>"
    for name, value in facts_of(notice):
        yield f'<tr><td style="{_NAME}">{escape(name)}</td>'
        yield f'<td style="{_CELL}"><b>{escape(value)}</b></td></tr>'
    yield "</table>"
    for question in notice["questions"]:
        yield f"<p><b>Question:</b> {escape(_question(question))}</p>"
    if link:
        yield f"<p>{escape(str(notice['asks']))}</p>"
        yield f'<p><a style="{_BUTTON}" href="{escape(link)}">Look and decide</a></p>'
    address = escape(str(notice["review_url"]))
    yield f'<p>{_invitation(notice)}: <a href="{address}">{address}</a></p></body></html>'


def _question(question: Mapping[str, Any]) -> str:
    answers = " | ".join(map(str, question.get("options") or ()))
    return f"{question.get('question', '')}{f' ({answers})' if answers else ''}"


def _invitation(notice: Notice) -> str:
    if notice["questions"]:
        return "Answer here"
    return "Ready for review" if notice["kind"] == NoticeKind.COMPLETED else "The build"


def _one_line(text: str) -> str:
    return _writable(" ".join(text.split()))[:200]


def _writable(text: str) -> str:
    """The text with halves of characters, which UTF-8 has no bytes for, as question marks."""
    return text.encode("utf-8", "replace").decode()
