"""Which things an intent wants kept: the nouns behind its verbs, or before words such as tracker."""

from __future__ import annotations

from executor.domain.spec_clauses import MARKS, Clause
from executor.domain.spec_fields import safe_name
from executor.domain.words import (
    BUILD_VERBS,
    EDIT_VERBS,
    FILLERS,
    FORM_NOUNS,
    KEEP_VERBS,
    LINKS,
    is_verb,
    singular,
    word_set,
)

LONGEST_PHRASE = 4
_FARTHEST = 12
KEEPERS = word_set(
    """
    tracker trackers manager management tracking list lists catalog catalogue registry log logger
    database library directory collection store inventory planner organizer organiser shop journal
    diary archive monitor
    """
)
# Nouns that name no kind of record: qualities, techniques and the service itself.
_NOT_THINGS = word_set(
    """
    authentication authorization auth security login performance logging support automation step steps
    droplet droplets loop access data information info crud validation pagination search database db
    sqlite storage time way case work it them itself intent x state health uptime docs documentation
    tests testing code request requests response responses
    """
)
# Heads that say little alone: with its modifier before it, `file` is foundation_file.
_VAGUE = word_set("file item entry record object value type group detail line unit part list")
_STOPS = (
    LINKS
    | MARKS
    | {"has", "have", "each", "every", "also", "daily", "weekly", "now", "there", "here", "itself"}
)
_ADJECTIVES = word_set(
    """
    own different various multiple many several other daily weekly monthly personal
    """
)


def things(parts: list[Clause]) -> dict[str, set[int]]:
    """Names of things in order of mention, each with the numbers of the clauses that named it.

    First the objects of verbs such as store and track; without any, the noun before `tracker` and its like;
    without any, the objects of verbs such as create and search.
    """
    for find in (_kept, _before_keeper, _edited):
        found: dict[str, set[int]] = {}
        for number, clause in enumerate(parts):
            for name in find(clause.tokens):
                found.setdefault(name, set()).add(number)
        if found:
            return found
    return {}


def _kept(tokens: list[str]) -> list[str]:
    return _objects(tokens, KEEP_VERBS)


def _edited(tokens: list[str]) -> list[str]:
    return _objects(tokens, EDIT_VERBS)


def _objects(tokens: list[str], verbs: frozenset[str]) -> list[str]:
    found: list[str] = []
    for at in range(len(tokens)):
        if is_verb(tokens, at, verbs):
            found += _listed(tokens, at + 1)
    return found


def _before_keeper(tokens: list[str]) -> list[str]:
    found: list[str] = []
    for at, token in enumerate(tokens):
        if at and token in KEEPERS:
            start = at
            while start and at - start < LONGEST_PHRASE and _is_plain(tokens[start - 1]):
                start -= 1
            found += [name] if (name := _head(tokens[start:at])) else []
    return found


def _is_plain(token: str) -> bool:
    return (
        token not in _STOPS and token not in FILLERS and token not in BUILD_VERBS and token not in FORM_NOUNS
    )


def _listed(tokens: list[str], at: int) -> list[str]:
    """The things of one list: "books, authors and publishers" from here to a word that ends it."""
    found: list[str] = []
    while at < len(tokens):
        phrase, at = _phrase(tokens, at)
        name = _head(phrase)
        if name is None:
            break
        found.append(name)
        if at >= len(tokens) or tokens[at] not in {",", "and", "or"}:
            break
        while at < len(tokens) and tokens[at] in {",", "and", "or"}:
            at += 1
        if at < len(tokens) and (tokens[at] in _STOPS or _any_verb(tokens, at)):
            break
    return found


def _any_verb(tokens: list[str], at: int) -> bool:
    return any(is_verb(tokens, at, verbs) for verbs in (KEEP_VERBS, EDIT_VERBS, BUILD_VERBS))


def _phrase(tokens: list[str], at: int) -> tuple[list[str], int]:
    """The words of one noun phrase without articles, and where it ended; `a list of books` is books."""
    phrase: list[str] = []
    end = min(len(tokens), at + _FARTHEST)
    while at < end and (tokens[at] not in _STOPS or (tokens[at] == "of" and len(phrase) < 2)):
        if tokens[at] == "of":
            phrase = []
        elif tokens[at] not in FILLERS and tokens[at] not in _ADJECTIVES and not tokens[at].isdigit():
            phrase.append(tokens[at])
        at += 1
    return phrase, at


def _head(phrase: list[str]) -> str | None:
    """The thing that a noun phrase is about, singular; None when it names none."""
    nouns = phrase[:LONGEST_PHRASE]
    while nouns and (nouns[-1] in _NOT_THINGS or nouns[-1] in FORM_NOUNS or nouns[-1] in KEEPERS):
        nouns = nouns[:-1]
    nouns = [noun for noun in nouns if not noun.isdigit()]
    if not nouns:
        return None
    head = singular(nouns[-1])
    name = f"{nouns[-2]} {head}" if head in _VAGUE and len(nouns) > 1 else head
    return safe_name(name, suffix="entry") if len(head) > 1 else None
