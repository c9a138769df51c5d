"""Names for the scaffold: what a SPEC's resources are called in Python, SQL and addresses.

A SPEC's names are only hints here. Each comes out as plain ASCII that collides with nothing: not with Python,
pydantic, SQLite, the contract's own addresses, nor with another resource.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from executor.domain.spec import FieldType, Resource, ResourceField

MAX_NAME = 40
RESERVED_PATHS = frozenset(
    {
        "health",
        "capabilities",
        "state",
        "dependencies",
        "message",
        "send",
        "metrics",
        "openapi",
        "docs",
        "redoc",
    }
)
OWN_COLUMNS = frozenset({"id", "created_at", "updated_at"})
PLAIN_FIELD = re.compile(r"[a-z_][a-z0-9_]{0,39}")
SECRET_FIELD = re.compile(r"password|passphrase|secret|api_key|token|credential")
NOT_ATTRIBUTES = re.compile(r"_|model_|field_")


@dataclass(frozen=True, slots=True)
class PlannedField:
    """`name` is the word callers and the table use; `attribute` is what Python calls it."""

    name: str
    attribute: str
    type: FieldType
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class PlannedResource:
    """`module` names its package, table and test file; `path` is its address without the slash."""

    module: str
    model: str
    path: str
    words: str
    description: str
    fields: tuple[PlannedField, ...]

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Every operation as METHOD and address."""
        one = f"/{self.path}/{{item_id}}"
        return (
            f"POST /{self.path}",
            f"GET /{self.path}",
            f"GET {one}",
            f"PUT {one}",
            f"PATCH {one}",
            f"DELETE {one}",
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """The resources that are built, and sentences about what had to give way."""

    resources: tuple[PlannedResource, ...]
    notes: tuple[str, ...]


def make_plan(
    resources: Iterable[Resource], earlier: Mapping[str, PlannedResource], taken: frozenset[str]
) -> Plan:
    """Name everything.

    `earlier` are the resources of earlier releases by module: they keep their addresses, and their fields the
    types that the stored values have. `taken` are packages under app/resources that the scaffold did not
    write and must not replace.
    """
    planned: dict[str, PlannedResource] = {}
    owners = {resource.path: module for module, resource in earlier.items()}
    notes: list[str] = []
    for resource in resources:
        module = _module(resource.name)
        if module in taken:
            notes.append(
                f"`{module}`: the code that is there was not written by rules, so it was left as it is."
            )
            continue
        path, why = _path(resource)
        if module in planned or owners.get(path, module) != module:
            owner = module if module in planned else owners[path]
            notes.append(f"`{resource.name}` at /{path} was not built: `{owner}` is there already.")
            continue
        notes.extend(why)
        stored = earlier[module].fields if module in earlier else ()
        fields, field_notes = _fields(resource, module, {field.name: field.type for field in stored})
        notes.extend(field_notes)
        planned[module] = _planned(resource, module, path, fields)
        owners[path] = module
    return Plan(tuple(planned.values()), tuple(notes))


def slug(text: str) -> str:
    """Reduce text to at most 40 lower-case ASCII letters, digits and single underscores; it may be empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:MAX_NAME].rstrip("_")


def _module(name: str) -> str:
    word = slug(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)) or "record"
    if word[0].isdigit() or word.startswith("sqlite"):
        word = f"r_{word}"
    return f"{word}_" if keyword.iskeyword(word) else word


def _planned(resource: Resource, module: str, path: str, fields: tuple[PlannedField, ...]) -> PlannedResource:
    parts = [part for part in module.split("_") if part]
    return PlannedResource(
        module=module,
        model="".join(part.capitalize() for part in parts),
        path=path,
        words=" ".join(parts),
        description=resource.description,
        fields=fields,
    )


def _path(resource: Resource) -> tuple[str, list[str]]:
    wanted = resource.plural.strip("/")
    path = wanted if re.fullmatch(r"[a-z0-9]+([-_][a-z0-9]+)*", wanted) else slug(wanted)
    path = path[:MAX_NAME].rstrip("-_") or f"{_module(resource.name).strip('_')}s"
    if path in RESERVED_PATHS:
        moved = f"{path}-records"
        return moved, [f"/{path} belongs to every droplet's contract, so `{resource.name}` is at /{moved}."]
    return path, []


def _fields(
    resource: Resource, module: str, known: Mapping[str, FieldType]
) -> tuple[tuple[PlannedField, ...], list[str]]:
    planned: dict[str, PlannedField] = {}
    notes: list[str] = []
    for number, field in enumerate(resource.fields, start=1):
        name = field.name if PLAIN_FIELD.fullmatch(field.name) else slug(field.name) or f"value_{number}"
        if name != field.name:
            notes.append(f"`{module}.{name}`: the SPEC's name for it was not plain or too long.")
        if SECRET_FIELD.search(name):
            notes.append(f"`{module}.{name}`: it is stored as it was given; secrets must be encrypted first.")
        if name in OWN_COLUMNS:
            notes.append(f"`{module}.{name}`: the service sets it by itself, callers cannot.")
        elif name in planned:
            notes.append(f"`{module}.{name}`: the SPEC names it twice; the first one was built.")
        else:
            planned[name] = _field(field, name, known.get(name, field.type))
            if planned[name].type != field.type:
                notes.append(
                    f"`{module}.{name}`: it stays {planned[name].type}, as earlier releases stored it; "
                    f"to make it {field.type} needs a migration."
                )
    return tuple(planned.values()), notes


def _field(field: ResourceField, name: str, kind: FieldType) -> PlannedField:
    clashes = (
        keyword.iskeyword(name)
        or name[0].isdigit()
        or NOT_ATTRIBUTES.match(name) is not None
        or hasattr(BaseModel, name)
    )
    attribute = f"field_{name}" if clashes else name
    return PlannedField(name, attribute, kind, field.required, field.description)
