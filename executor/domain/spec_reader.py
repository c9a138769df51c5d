"""The machine-readable part of a SPEC: its resources, read back and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, get_args

from executor.domain.spec import FieldType, Resource, ResourceField
from executor.domain.spec_fields import GIVEN_FIELDS, is_safe_name
from executor.domain.spec_form import read_sections
from executor.errors import Invalid

SECTION = "Resources"
_BLOCK = re.compile(r"^```json\n(.*?)\n```$", re.DOTALL | re.MULTILINE)
_HINT = (
    f'Write the section "## {SECTION}" with a json block: {{"resources": [{{"name", "plural", "fields"}}]}}.'
)


def as_json(resources: tuple[Resource, ...]) -> str:
    """The resources as the JSON text that `read_resources` reads."""
    listed = [
        {
            "name": r.name,
            "plural": r.plural,
            "description": r.description,
            "fields": [
                {"name": f.name, "type": f.type, "required": f.required, "description": f.description}
                for f in r.fields
            ],
        }
        for r in resources
    ]
    return json.dumps({"resources": listed}, indent=2)


def read_resources(markdown: str) -> tuple[Resource, ...]:
    """Return the SPEC's resources; an empty list in the block is allowed.

    Raises Invalid when the section, its json block, a name or a type is missing or wrong.
    """
    found = _BLOCK.search(read_sections(markdown).get(SECTION, ""))
    if found is None:
        raise _invalid(f"the SPEC has no json block under {SECTION}")
    try:
        listed = json.loads(found[1])["resources"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _invalid(f"the json block under {SECTION} cannot be read ({error})") from error
    if not isinstance(listed, list):
        raise _invalid("resources is not a list")
    resources = tuple(_resource(item, f"resources[{n}]") for n, item in enumerate(listed))
    _refuse_twins([r.name for r in resources], "resource")
    _refuse_twins([r.plural for r in resources], "path")
    return resources


def _resource(item: Any, at: str) -> Resource:
    record = _mapping(item, at)
    name, plural = _name(record, at), _name(record, at, "plural")
    listed = record.get("fields")
    if not isinstance(listed, list) or not listed:
        raise _invalid(f"{at} ({name}) has no fields")
    fields = tuple(_field(field, f"{at}.fields[{n}]") for n, field in enumerate(listed))
    _refuse_twins([f.name for f in fields], f"field of {name}")
    return Resource(name, plural, _text(record, at), fields)


def _field(item: Any, at: str) -> ResourceField:
    record = _mapping(item, at)
    name, required = _name(record, at), record.get("required", True)
    kind = next((known for known in get_args(FieldType) if known == record.get("type")), None)
    if kind is None:
        raise _invalid(
            f"{at} ({name}) has the type {record.get('type')!r}; known are {', '.join(get_args(FieldType))}"
        )
    if name in GIVEN_FIELDS:
        raise _invalid(f"{at} is named {name}, which every resource has from the droplet itself")
    if not isinstance(required, bool):
        raise _invalid(f"{at} ({name}) says required {required!r}; true or false is meant")
    return ResourceField(name, kind, required, _text(record, at))


def _mapping(item: Any, at: str) -> Mapping[str, Any]:
    if not isinstance(item, dict):
        raise _invalid(f"{at} is not an object")
    return item


def _name(record: Mapping[str, Any], at: str, key: str = "name") -> str:
    value = record.get(key)
    if not isinstance(value, str) or not is_safe_name(value):
        raise _invalid(f"{at}.{key} is {value!r}; a snake_case name of at most 40 characters is meant")
    return value


def _text(record: Mapping[str, Any], at: str) -> str:
    value = record.get("description", "")
    if not isinstance(value, str):
        raise _invalid(f"{at}.description is not a text")
    return value


def _refuse_twins(names: list[str], what: str) -> None:
    twins = {name for name in names if names.count(name) > 1}
    if twins:
        raise _invalid(f"the SPEC names the {what} {sorted(twins)[0]} twice")


def _invalid(problem: str) -> Invalid:
    message = f"The SPEC's resources cannot be built: {problem}."
    return Invalid(message, hint=_HINT, details={"fields": [{"loc": ["spec", SECTION], "msg": problem}]})
