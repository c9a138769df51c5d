"""The resources that an intent asks for, found by rule, and what had to be assumed on the way."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from executor.domain.naming import RESERVED_NAMES
from executor.domain.spec import Resource, ResourceField
from executor.domain.spec_attributes import attributes
from executor.domain.spec_clauses import Clause, clauses
from executor.domain.spec_fields import LONGEST, safe_name
from executor.domain.spec_known import known_fields
from executor.domain.spec_things import things
from executor.domain.words import plural, singular

MOST_RESOURCES = 8
MOST_FIELDS = 24
GENERIC = "item"


@dataclass(frozen=True, slots=True)
class Understanding:
    """`unused` are the clauses, as written, from which no rule took anything."""

    resources: tuple[Resource, ...]
    assumptions: tuple[str, ...]
    unused: tuple[str, ...]


def understand(intent: str, droplet_name: str, previous: tuple[Resource, ...] = ()) -> Understanding:
    """Read an intent by rule. Earlier resources are kept and only gain fields, which are optional then."""
    parts = clauses(intent)
    found = things(parts)
    used = {number for numbers in found.values() for number in numbers}
    notes: list[str] = []
    kept = [
        _grown(resource, _given(parts, resource.name, used, required=False), notes) for resource in previous
    ]
    names = _new_names(found, previous, notes)
    if not kept and not names:
        names = [GENERIC]
        notes.append("The intent names nothing that rules recognise; one general resource, item, stands in.")
    taken = {droplet_name.replace("-", "_"), *(r.plural for r in previous)}
    fresh = [_resource(name, _given(parts, name, used, required=True), taken, notes) for name in names]
    unused = tuple(part.text for number, part in enumerate(parts) if number not in used)
    return Understanding((*kept, *fresh), tuple(notes), unused)


def _new_names(found: Collection[str], previous: tuple[Resource, ...], notes: list[str]) -> list[str]:
    known = {resource.name for resource in previous}
    names = [name for name in found if name not in known]
    room = max(MOST_RESOURCES - len(previous), 0)
    if len(names) > room:
        left = ", ".join(map(_words, names[room : room + MOST_RESOURCES]))
        notes.append(f"A droplet made by rule has {MOST_RESOURCES} resources; left for later: {left}.")
    return names[:room]


def _given(parts: list[Clause], name: str, used: set[int], *, required: bool) -> tuple[ResourceField, ...]:
    """The fields that any clause gives this thing; the clauses that do count as understood."""
    found: dict[str, ResourceField] = {}
    for number, part in enumerate(parts):
        for field in attributes(part.tokens, name, required=required):
            found.setdefault(field.name, field)
            used.add(number)
    return tuple(found.values())[:MOST_FIELDS]


def _resource(name: str, given: tuple[ResourceField, ...], taken: set[str], notes: list[str]) -> Resource:
    fields = given or known_fields(name)
    if not given:
        listed = ", ".join(field.name for field in fields)
        notes.append(f"The intent gives {_words(name)} no fields; these were assumed: {listed}.")
    many = [f.name for f in given if f.type == "string" and singular(f.name) != f.name]
    if many:
        notes.append(
            f"{', '.join(many)} of {_words(name)} may hold several values; they are kept as one text."
        )
    if given and all(field.type != "string" for field in given):
        notes.append(f"No field of {_words(name)} is a name or a title; its id tells one from another.")
    return Resource(name, _path(name, taken, notes), f"One {_words(name)} kept by the droplet.", fields)


def _path(name: str, taken: set[str], notes: list[str]) -> str:
    """The collection's path: the plural, or another word where the contract or the droplet's name has it."""
    *before, head = name.split("_")
    wanted = safe_name("_".join([*before, plural(head)]))
    others = (f"{name[: LONGEST - 11]}_records{number}" for number in ("", *range(2, MOST_RESOURCES + 2)))
    path = next(path for path in (wanted, *others) if not _is_taken(path, taken))
    if path != wanted:
        notes.append(f"The path /{wanted} is in use already, so the collection is served under /{path}.")
    taken.add(path)
    return path


def _is_taken(path: str, taken: Collection[str]) -> bool:
    return path in taken or path in RESERVED_NAMES


def _grown(resource: Resource, given: tuple[ResourceField, ...], notes: list[str]) -> Resource:
    known = {field.name for field in resource.fields}
    added = tuple(f for f in given if f.name not in known)[: max(MOST_FIELDS - len(known), 0)]
    if added:
        listed = ", ".join(field.name for field in added)
        notes.append(
            f"New fields of {_words(resource.name)} are optional, since stored ones lack them: {listed}."
        )
    return replace(resource, fields=(*resource.fields, *added))


def _words(name: str) -> str:
    return name.replace("_", " ")
