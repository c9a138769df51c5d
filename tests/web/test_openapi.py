"""The served OpenAPI tells the truth about the application."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.routing import Route

from tests.web.conftest import Site

_METHODS = {"get", "post", "put", "patch", "delete"}


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


async def document(site: Site) -> dict[str, Any]:
    status, found, _ = await site.get("/openapi.json")
    assert status == 200
    return dict(found)


async def test_it_is_3_1_with_title_version_and_server(site: Site) -> None:
    found = await document(site)
    assert found["openapi"] == "3.1.0"
    assert found["info"]["title"]
    assert found["info"]["version"] == "0.1.0"
    assert found["servers"] == [{"url": site.url}]


async def test_every_route_is_in_it_and_nothing_else(site: Site) -> None:
    found = await document(site)
    described = {(m.upper(), path) for path, ops in found["paths"].items() for m in ops if m in _METHODS}
    served = {
        (method, route.path)
        for route in site.app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert described == served


async def test_every_reference_resolves(site: Site) -> None:
    found = await document(site)
    names = references(found)
    assert names
    for name in names:
        assert name.removeprefix("#/components/schemas/") in found["components"]["schemas"], name


async def test_every_operation_is_complete(site: Site) -> None:
    found = await document(site)
    ids = []
    for path, operations in found["paths"].items():
        for operation in operations.values():
            ids.append(operation["operationId"])
            assert operation["summary"]
            assert operation["tags"][0] in {tag["name"] for tag in found["tags"]}
            declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert declared == set(re.findall(r"{(\w+)}", path))
            assert any(int(status) < 400 for status in operation["responses"])
            assert all(response["description"] for response in operation["responses"].values())
    assert len(ids) == len(set(ids))


async def test_errors_are_described_by_the_envelope(site: Site) -> None:
    found = await document(site)
    submit = found["paths"]["/executor/build-droplet"]["post"]
    assert {"202", "400", "401", "403", "409", "413", "415", "429", "503"} <= set(submit["responses"])
    schema = submit["responses"]["400"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/ErrorEnvelope"}
    assert "additionalProperties" in json.dumps(found["components"]["schemas"]["SubmitBody"])
