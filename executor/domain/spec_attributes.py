"""Which fields an intent gives a thing: "books with title, author and year", "each book has a title"."""

from __future__ import annotations

from executor.domain.spec import ResourceField
from executor.domain.spec_clauses import MARKS
from executor.domain.spec_fields import make_field
from executor.domain.spec_things import KEEPERS
from executor.domain.words import FILLERS, FORM_NOUNS, LINKS, singular, word_set

_MARKERS = word_set(
    """
    with having including containing has have contains includes include contain consists : (
    """
)
# Words that may stand between a thing and its marker: "books, each of which should have".
_BETWEEN = FILLERS | FORM_NOUNS | KEEPERS | {",", "that", "which", "where", "whose", "of", "in", "to"}
_FARTHEST = 8
_SEPARATORS = frozenset({",", "and", "or", "plus"})
_LEAD = (
    word_set(
        """
    fields field attributes attribute properties property columns columns following of
    """
    )
    | FILLERS
)
_COLLECTIONS = (["list"], ["set"], ["collection"])
_ENDS = (LINKS | MARKS) - _SEPARATORS - {"of", "at", "on"}
# What follows "with" without being a field of anything.
_NOT_FIELDS = word_set(
    """
    validation pagination search searching filtering sorting authentication authorization auth login
    tests testing support alert alerts notifications notification reports reporting api apis crud
    endpoint endpoints dashboard ui interface access security docs documentation logging caching
    sqlite database storage permissions roles ability option options history export import
    """
)


def attributes(tokens: list[str], thing: str, *, required: bool = True) -> tuple[ResourceField, ...]:
    """The fields that this clause gives the thing, in order, each once; empty when it gives none."""
    heads = {thing.rpartition("_")[2], thing.removesuffix("_entry")}
    for at, token in enumerate(tokens):
        if singular(token) in heads and (start := _behind_marker(tokens, at + 1)) is not None:
            found = _fields(tokens[start:], required=required)
            if found:
                return found
    return ()


def _behind_marker(tokens: list[str], at: int) -> int | None:
    for place in range(at, min(at + _FARTHEST, len(tokens))):
        if tokens[place] in _MARKERS:
            return place + 1
        if tokens[place] not in _BETWEEN:
            return None
    return None


def _fields(tokens: list[str], *, required: bool) -> tuple[ResourceField, ...]:
    found: dict[str, ResourceField] = {}
    for phrase in _phrases(tokens):
        field = make_field(phrase, required=required) if _is_field(phrase) else None
        if field is not None:
            found.setdefault(field.name, field)
    return tuple(found.values())


def _phrases(tokens: list[str]) -> list[list[str]]:
    phrases: list[list[str]] = [[]]
    for word in tokens:
        if word in _SEPARATORS:
            phrases.append([])
        elif word == "of" and phrases[-1] in _COLLECTIONS:
            phrases[-1] = []
        elif word == ":" and phrases[-1]:
            continue
        elif word in _ENDS:
            break
        elif word not in _LEAD or (phrases[-1] and word not in FILLERS):
            phrases[-1].append(word)
    return phrases


def _is_field(phrase: list[str]) -> bool:
    return 0 < len(phrase) <= 3 and phrase[0][0].isalpha() and not _NOT_FIELDS.intersection(phrase)
