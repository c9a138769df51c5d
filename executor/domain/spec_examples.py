"""Example values, bodies and endpoints of a resource, as the SPEC shows them."""

from __future__ import annotations

import json

from executor.domain.spec import FieldType, Resource

_VALUES: dict[FieldType, object] = {
    "string": "example",
    "text": "A longer example.",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "datetime": "2026-01-31T12:00:00Z",
}


def example_body(resource: Resource) -> str:
    """A request body with every field, on one line of JSON."""
    return json.dumps({field.name: _VALUES[field.type] for field in resource.fields})


def endpoint_list(resource: Resource) -> tuple[tuple[str, str], ...]:
    """The collection's endpoints: (METHOD path, what it does)."""
    one, path = resource.name.replace("_", " "), f"/{resource.plural}"
    return (
        (f"POST {path}", f"Create one {one}: 201 with data and meta, 400 when a field is invalid."),
        (f"GET {path}", f"List every {one}, paged by limit and offset."),
        (f"GET {path}/id", f"Read one {one} by its id, 404 when there is none."),
        (f"PUT {path}/id", f"Replace every field of one {one}."),
        (f"PATCH {path}/id", f"Change some fields of one {one}."),
        (f"DELETE {path}/id", f"Delete one {one}: 204."),
    )
