"""Text as Slack takes it: what others wrote can neither notify anybody nor pass for a link or a button."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# Control characters, and those that turn the direction of what follows: a name could read as another one.
_UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_BESIDE_A_LINK = re.compile(r"[<>|\s]")
_USER = re.compile(r"slack:([UW][A-Z0-9]{1,30})")
_CHANNELS = {"slack:": "in Slack", "mail:": "by mail"}


def plain(text: object, limit: int) -> str:
    """Text for a `plain_text` object: at most `limit` characters, the end marked when it is cut."""
    seen = _UNSEEN.sub("", str(text).replace("\r\n", "\n").replace("\t", " "))
    return seen if len(seen) <= limit else f"{seen[: limit - 1]}…"


def escaped(text: object, limit: int) -> str:
    """Text for `mrkdwn`: `&`, `<` and `>` as entities, at most `limit` characters with them."""
    parts = [_ENTITIES.get(letter, letter) for letter in plain(text, limit)]
    total = sum(map(len, parts))
    cut = total > limit
    while total > limit - cut:
        total -= len(parts.pop())
    return "".join(parts) + ("…" if cut else "")


def one_line(text: object, limit: int) -> str:
    """Like `escaped`, on one line, so that a value cannot pass for a line of ours."""
    return escaped(" ".join(str(text).split()), limit)


def link(url: str) -> str:
    """A link that shows its address; what is no proper http address stays text."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or _BESIDE_A_LINK.search(url):
        return one_line(url, 500)
    return f"<{url.replace('&', '&amp;')}>" if len(url) <= 1000 else one_line(url, 500)


def person(by: str) -> str:
    """Who decided: a user of Slack as Slack shows one, others in words."""
    user = _USER.fullmatch(by)
    if user:
        return f"<@{user[1]}>"
    prefix = next((prefix for prefix in _CHANNELS if by.startswith(prefix)), "")
    name = one_line(by.removeprefix(prefix), 200)
    return f"{name} {_CHANNELS[prefix]}" if prefix else name
