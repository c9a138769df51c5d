"""Secrets are hidden in every form, over line ends, and wherever a text is cut into pieces."""

from __future__ import annotations

import base64
import html
import json
import random
import shlex
import string
from urllib.parse import quote, quote_plus, urlencode

import pytest

from executor.redaction import HIDDEN, Redactor
from tests.proof.ledger import Ledger
from tests.proof.scale import scaled

SECRET = "canary-\"7/+k' é&<>%=="
THREAT = "secrets in logs, git and prompts"
PLAIN = "sk-ant-api03-Zq7xTtP0aBcDeFgHiJkLm"
RAW = SECRET.encode()
ENCODED: dict[str, str] = {
    "plain": SECRET,
    "URL-quoted": quote(SECRET, safe=""),
    "URL-quoted in a path": quote(SECRET),
    "URL-quoted with small digits": quote(SECRET, safe="")
    .replace("%2F", "%2f")
    .replace("%2B", "%2b")
    .replace("%C3%A9%26%3C%3E%25%3D%3D", "%c3%a9%26%3c%3e%25%3d%3d"),
    "of a form": urlencode({"token": SECRET}),
    "of a query": quote_plus(SECRET),
    "hex": RAW.hex(),
    "capital hex": RAW.hex().upper(),
    "hex with blanks": RAW.hex(" "),
    "hex with colons": RAW.hex(":").upper(),
    "base64": base64.b64encode(RAW).decode(),
    "base64 after one byte": base64.b64encode(b"u" + RAW + b"!").decode(),
    "base64 after two bytes": base64.b64encode(b"u:" + RAW).decode(),
    "base64 after three bytes": base64.b64encode(b"me:" + RAW + b"!!").decode(),
    "base64url": base64.urlsafe_b64encode(RAW).decode().rstrip("="),
    "base64url after a byte": base64.urlsafe_b64encode(b"?" + RAW + b"?").decode(),
    "base64 of 76 columns": base64.encodebytes(b"x" * 40 + RAW).decode(),
    "JSON": json.dumps(SECRET),
    "JSON with its own letters": json.dumps(SECRET, ensure_ascii=False),
    "JSON inside JSON": json.dumps(json.dumps(SECRET)),
    "JSON of PHP": json.dumps(SECRET).replace("/", "\\/"),
    "unicode escapes": "".join(f"\\u{ord(c):04x}" for c in SECRET),
    "HTML": html.escape(SECRET),
    "HTML of Jinja": html.escape(SECRET).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
    "HTML text": html.escape(SECRET, quote=False),
    "a Python literal": repr(SECRET),
    "a bytes literal": repr(RAW),
    "a word of a shell": shlex.quote(SECRET),
    "a string of SQL": SECRET.replace("'", "''"),
}


NEIGHBOURS = {
    "of a form": len("token="),
    "base64 after three bytes": 8,
    "base64 of 76 columns": 54 + 4,
    "JSON inside JSON": len(r'"\"\""'),
    "a bytes literal": len("b''"),
}
"""What else is in a form and has to be left; where nothing is named, a quote at each end or, of
base64, the four letters that are half a neighbour's."""


@pytest.mark.parametrize("name", ENCODED)
def test_a_secret_is_hidden_in_each_encoding(name: str, ledger: Ledger) -> None:
    shown = Redactor([SECRET]).text(f"before {ENCODED[name]} after")
    assert shown.count(HIDDEN) == 1
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert len(shown.replace(HIDDEN, "")) <= len("before  after") + NEIGHBOURS.get(name, 4)
    ledger.tried("encodings of a secret", threat=THREAT)


def test_every_alignment_and_length_is_found_in_base64(ledger: Ledger) -> None:
    chance = random.Random(6)
    for length in range(6, 40):
        secret = "".join(chance.choices(string.printable.strip(), k=length))
        for before, after in [(b, a) for b in range(4) for a in range(4)]:
            raw = b"x" * before + secret.encode() + b"y" * after
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                shown = Redactor([secret]).text(encode(raw).decode())
                assert HIDDEN in shown, (secret, before, after)
                assert len(shown.replace(HIDDEN, "").rstrip("=")) <= (before + after) * 4 / 3 + 4
                ledger.tried("secrets inside base64", threat=THREAT)


def test_parts_that_open_a_door_alone_are_secrets_too() -> None:
    hook, signer = (
        "https://hooks.example/services/T0001/B0002/abcdefgh",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    redactor = Redactor([hook, signer])
    assert redactor.text("POST /services/T0001/B0002/abcdefgh 404") == f"POST /{HIDDEN} 404"
    assert redactor.text(signer.removeprefix("whsec_")) == HIDDEN
    assert Redactor(["Bearer otlp-4f1d0b9c7e"]).text("key otlp-4f1d0b9c7e") == f"key {HIDDEN}"
    assert redactor.text("https://hooks.example/ answers whsec_") == "https://hooks.example/ answers whsec_"


@pytest.mark.parametrize(
    "odd", ["", "a", "12345", "caf\udce9-latin-1-secret", "http://[half-an-address", "一二三四五六"]
)
def test_odd_secrets_neither_break_nor_hide_everything(odd: str) -> None:
    redactor = Redactor([odd, PLAIN])
    assert redactor.text(f"a 12345 {PLAIN}") == f"a 12345 {HIDDEN}"
    assert (HIDDEN in redactor.text(f"<{odd}>")) == (len(odd) >= 6)


def test_a_secret_of_several_lines_and_one_that_a_tool_has_wrapped_are_hidden() -> None:
    key = "-----BEGIN KEY-----\nMIIEvAIBADANBg\nkqhkiG9w0BAQ\n-----END KEY-----"
    assert Redactor([key]).text(f"it is\n{key}\nindeed") == f"it is\n{HIDDEN}\n\n\n\nindeed"
    wrapped = "\r\n".join(PLAIN[i : i + 7] for i in range(0, len(PLAIN), 7))
    assert Redactor([PLAIN]).text(f"a\r\n{wrapped}\r\nb").replace("\r\n", "") == f"a{HIDDEN}b"


def test_what_holds_no_secret_comes_back_as_it_was() -> None:
    value = {"a": ["b", ("c", 1)], "d": None}
    assert Redactor([PLAIN]).value(value) is value
    assert Redactor().value({"a": PLAIN}) == {"a": PLAIN}
    assert Redactor([PLAIN]).value({PLAIN: [(f"<{PLAIN}>", 1)]}) == {HIDDEN: [[f"<{HIDDEN}>", 1]]}


def pieces(text: str, chance: random.Random) -> list[str]:
    cuts = sorted(chance.choices(range(len(text) + 1), k=chance.randrange(1, 12)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def streamed(redactor: Redactor, parts: list[str]) -> str:
    stream = redactor.stream()
    return "".join([*map(stream.feed, parts), stream.flush()])


def test_a_secret_cut_anywhere_is_hidden_in_a_stream_and_nothing_else_is_lost(ledger: Ledger) -> None:
    for name, form in ENCODED.items():
        text = f"before {form} after"
        whole = Redactor([SECRET]).text(text)
        for cut in range(len(text) + 1):
            assert streamed(Redactor([SECRET]), [text[:cut], text[cut:]]) == whole, (name, cut)
            ledger.tried("cuts through a secret", threat=THREAT)
        assert streamed(Redactor([SECRET]), list(text)) == whole, name


def test_secrets_in_random_pieces_are_hidden_as_in_one_piece(ledger: Ledger) -> None:
    """Secrets that overlap, repeat and begin with one another's ends, among text that nearly is one."""
    chance, tries = random.Random(7), scaled(2_000, 40_000)
    redactor = Redactor(["abcabcabd", "abdabcabc", "aaaaaaaa", PLAIN])
    stock = [
        "abcabcab",
        "abdabca",
        "abcabcabd",
        "abdabcabc",
        "aaaaa",
        "aaaaaaaa",
        "d",
        " ",
        "\n",
        PLAIN,
        PLAIN[:9],
    ]
    for _ in range(tries):
        text = "".join(chance.choices(stock, k=chance.randrange(1, 9)))
        shown = streamed(redactor, pieces(text, chance))
        assert redactor.text(shown) == shown, (text, shown)
        assert shown == redactor.text(text), text
    ledger.tried("secrets in random pieces", tries, threat=THREAT)


def test_a_stream_holds_no_more_than_what_may_be_the_start_of_a_secret() -> None:
    stream = Redactor([PLAIN]).stream()
    assert stream.feed("the key is sk-an") == "the key is "
    assert stream.feed("cient history") == "sk-ancient history"
    assert stream.feed(" s") == " "
    assert stream.flush() == "s"
    assert stream.feed("k-ant") == "k-ant"


def test_a_stream_that_never_ends_holds_a_bounded_part() -> None:
    stream = Redactor([PLAIN]).stream()
    shown = sum(len(stream.feed(piece)) for piece in ["s", *["\n" * 4096] * 50])
    assert shown > 4096 * 40


@pytest.mark.parametrize("form", [PLAIN, base64.b64encode(PLAIN.encode()).decode().rstrip("=")])
def test_an_excerpt_shows_no_part_of_a_secret_at_its_ends(form: str, ledger: Ledger) -> None:
    redactor = Redactor([PLAIN])
    for kept in range(6, len(form)):
        assert redactor.excerpt(f"said {form[:kept]}") == f"said {HIDDEN}"
        assert redactor.excerpt(f"{form[-kept:]} it said") == f"{HIDDEN} it said"
        ledger.tried("secrets cut off by an excerpt", 2, threat=THREAT)
    assert redactor.excerpt(f"x {form} y") == f"x {HIDDEN} y"
    assert redactor.excerpt("nothing to hide") == "nothing to hide"
