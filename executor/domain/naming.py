"""Names and numbers of builds and droplets, and what counts as an intent (interfaces.md, Identity)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from executor.domain.words import (
    BUILD_VERBS,
    EDIT_VERBS,
    FILLERS,
    FORM_NOUNS,
    KEEP_VERBS,
    LINKS,
    is_verb,
    singular,
    words,
)
from executor.errors import Invalid

FALLBACK_NAME = "droplet"
LONGEST_NAME = 40
LONGEST_INTENT = 20_000
# Root paths that every droplet serves, and the executor's own prefix; a droplet's prefix differs from all.
RESERVED_NAMES = frozenset(
    [
        *("health", "capabilities", "state", "dependencies", "message", "send", "executor", "docs", "redoc"),
        *("openapi", "metrics", "static", "livez", "readyz", "app", "tests", "a", "login", "hooks"),
    ]
)
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")
_BUILD_ID = re.compile(r"build-(\d{1,18})-(" + _NAME.pattern + r")-(\d{8})-(\d{3,9})", re.ASCII)
_EMPTY = BUILD_VERBS | FILLERS | FORM_NOUNS | LINKS
_VERBS = KEEP_VERBS | EDIT_VERBS
_MOST_WORDS = 3


def _invalid(loc: str, message: str, hint: str) -> Invalid:
    return Invalid(message, hint=hint, details={"fields": [{"loc": [loc], "msg": message}]})


def check_intent(text: str) -> str:
    """Return the intent stripped, with newlines as `\\n`.

    Raises Invalid when it is blank, longer than 20,000 characters, or holds control characters other than
    newline and tab, or halves of surrogate pairs (they cannot be written as UTF-8).
    """
    clean = re.sub("\r\n|[\r\u2028\u2029]", "\n", text).strip()
    if not clean:
        raise _invalid("architect_intent", "The intent is empty.", "Say in one sentence what to build.")
    if len(clean) > LONGEST_INTENT:
        raise _invalid(
            "architect_intent",
            f"The intent has {len(clean)} characters; {LONGEST_INTENT} are the most.",
            "Say it shorter; details can follow as feedback at the SPEC gate.",
        )
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in clean):
        raise _invalid("architect_intent", "The intent holds control characters.", "Send plain text.")
    return clean


def one_line(intent: str, limit: int = 200) -> str:
    """The intent's first sentence on one line, at most `limit` characters, for lists and the purpose."""
    flat = " ".join(intent.split())
    first = re.split(r"(?<=[.!?])\s", flat, maxsplit=1)[0]
    return first if len(first) <= limit else first[: limit - 1].rstrip() + "…"


def check_name(name: str) -> str:
    """Normalise what people write ("Analytics Engine", analytics_engine) to analytics-engine.

    Raises Invalid when it is empty, too long, reserved, or holds anything but letters, digits and hyphens.
    """
    clean = re.sub(r"[\s_-]+", "-", name.strip().lower())
    hint = "Use lower-case letters, digits and hyphens, starting with a letter, for example analytics-engine."
    if not clean:
        raise _invalid("droplet_name", "The droplet's name is empty.", hint)
    if len(clean) > LONGEST_NAME:
        raise _invalid("droplet_name", f"The droplet's name is longer than {LONGEST_NAME} characters.", hint)
    if clean in RESERVED_NAMES:
        raise _invalid("droplet_name", f"The name {clean} is a path that every droplet serves itself.", hint)
    if not _NAME.fullmatch(clean):
        raise _invalid("droplet_name", "The droplet's name holds characters that a name cannot have.", hint)
    return clean


def derive_name(intent: str) -> str:
    """Name the droplet after what the sentence calls it, else after its subject, else `droplet`.

    "Build Coordinator Droplet to …" is coordinator; "create a service that stores books" is book.
    """
    tokens = words(intent)
    name = _fit(_before_form_noun(tokens)) or _fit(_subject(tokens)) or FALLBACK_NAME
    return f"{name}-{FALLBACK_NAME}" if name in RESERVED_NAMES else name


def _before_form_noun(tokens: list[str]) -> list[str]:
    """What stands before "droplet", "service", "engine": the name that the architect gave it."""
    for at, token in enumerate(tokens):
        if token in LINKS:
            return []
        if token in FORM_NOUNS and (named := [word for word in tokens[:at] if word not in _EMPTY]):
            return named
        if token == FALLBACK_NAME and at and tokens[at - 1] in FORM_NOUNS:
            return tokens[at - 1 : at]  # "Tools Droplet": before this word any word is a name
    return []


def _subject(tokens: list[str]) -> list[str]:
    """The first phrase that means something; behind a verb it is a thing, named in singular."""
    found: list[str] = []
    behind_verb = False
    for at, token in enumerate(tokens):
        if token in LINKS and found:
            break
        if not found and is_verb(tokens, at, _VERBS):
            behind_verb = True
        elif token not in _EMPTY and (found or not token.isdigit()):
            found.append(token)
    return [*found[:-1], singular(found[-1])] if behind_verb and found else found


def _fit(subject: list[str]) -> str:
    """At most three words and forty characters, starting with a letter; empty when nothing is left."""
    while subject and not subject[0][0].isalpha():
        subject = subject[1:]
    return "-".join(subject[:_MOST_WORDS])[:LONGEST_NAME].rstrip("-")


@dataclass(frozen=True, slots=True, order=True)
class BuildNumber:
    """What a build_id says; orders by day and number, which is the order of submission."""

    day: str
    number: int
    droplet_id: int
    name: str


def make_build_id(droplet_id: int, name: str, day: date, number: int) -> str:
    """`build-<droplet_id>-<name>-<yyyymmdd>-<nnn>`; `number` counts from 1 and grows past three digits."""
    return f"build-{droplet_id}-{name}-{day:%Y%m%d}-{number:03d}"


def parse_build_id(build_id: str) -> BuildNumber | None:
    """Take a build_id apart; None when it is not one."""
    match = _BUILD_ID.fullmatch(build_id)
    if match is None:
        return None
    droplet_id, name, day, number = match.groups()
    return BuildNumber(day, int(number), int(droplet_id), name)


def next_droplet_id(known: Iterable[int]) -> int:
    """The highest known id plus one (known: registry, own builds and the executor's own id)."""
    return max(known, default=0) + 1
