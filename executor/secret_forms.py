"""The shapes in which one secret may stand in a text."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus, urlsplit

SHORTEST = 6
"""Characters; what is shorter is found in any text by chance."""
_SHORTEST_PART = 12
_LINE_ENDS = str.maketrans("", "", "\r\n")


def forms(secret: str) -> frozenset[str]:
    """Every shape of a secret, without line ends; nothing for one of fewer than SHORTEST characters.

    1. as it is; also the path of an address, what follows `whsec_`, the last word of several (`Bearer …`);
    2. URL-quoted, in a path, a query or a form (`+` for a blank), with upper and lower case digits;
    3. hex, with upper and lower case digits, in one piece or with blanks or colons between the bytes;
    4. base64 at each of the three alignments that it can have inside a longer text (`user:secret`);
    5. base64 in the alphabet for addresses, likewise;
    6. JSON: escaped once or twice, `/` escaped, or each character as `\\uXXXX`;
    7. HTML: escaped as Python's html and as Jinja does it;
    8. the source of a Python string or bytes literal;
    9. quoted for a shell or for SQL.

    Left out: what no program makes by accident (reversed, encrypted, compressed, UTF-16). Against one that
    means to smuggle a secret no list is long enough: it must not get the secret at all.
    """
    if len(secret) < SHORTEST:
        return frozenset()
    found = {form for text in _parts(secret) for form in _encoded(text)}
    return frozenset(f for f in (form.translate(_LINE_ENDS) for form in found) if len(f) >= SHORTEST)


def _parts(secret: str) -> Iterator[str]:
    yield secret
    mark, _, rest = secret.partition("whsec_")
    if not mark and len(rest) >= _SHORTEST_PART:
        yield rest
    word = secret.rpartition(" ")[2]
    if len(word) >= _SHORTEST_PART:
        yield word
    try:
        path = urlsplit(secret).path.strip("/") if "://" in secret else ""
    except ValueError:
        return
    if len(path) >= _SHORTEST_PART:
        yield path


def _encoded(text: str) -> Iterator[str]:
    raw = text.encode("utf-8", "surrogateescape")
    yield text
    yield from _quoted(raw)
    for digits in (raw.hex(), raw.hex(" "), raw.hex(":")):
        yield from (digits, digits.upper())
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
        yield from (_inner(encode, raw, before) for before in range(3))
    yield from _escaped(text)
    yield from (repr(text)[1:-1], repr(raw)[2:-1])
    yield from (text.replace("'", quoted) for quoted in ("'\"'\"'", r"'\''", "''"))


def _quoted(raw: bytes) -> Iterator[str]:
    for quoted in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield quoted
        yield _lower_digits(quoted)


def _lower_digits(quoted: str) -> str:
    first, *rest = quoted.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in rest)])


def _inner(encode: Callable[[bytes], bytes], raw: bytes, before: int) -> str:
    """The characters that depend on the secret alone when `before` bytes of a group of three precede it."""
    encoded = encode(b"\0" * before + raw).decode()
    whole = (before + len(raw)) * 8 // 6
    return encoded[-(-before * 8 // 6) : whole]


def _escaped(text: str) -> Iterator[str]:
    for once in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield from (once, once.replace("/", r"\/"), json.dumps(once)[1:-1])
    yield "".join(f"\\u{ord(character):04x}" for character in text)
    yield "".join(f"\\u{ord(character):04X}" for character in text)
    escaped = html.escape(text)
    yield from (escaped, html.escape(text, quote=False))
    yield escaped.replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
